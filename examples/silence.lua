-- SPDX-License-Identifier: Apache-2.0
--
-- Devices that have gone silent: the topic "readings" (any value, the device as key) in;
-- a device that has sent nothing for a minute goes to the topic "alerts" (JSON), once.
--
--   weir run silence.lua

local weir = require "weir"
local app = weir.app "silence"

app:stream("readings", { key = weir.text })
   :process {
      name = "silence",
      value = weir.json,
      stores = { seen = weir.kv(weir.int64) },
      open = function(ctx)
         ctx:every("10s", "wall", function(now)
            for device, last in ctx.seen:scan() do
               if now - last > 60000 then
                  ctx:emit(device, { silent_ms = now - last })
                  ctx.seen:delete(device)
               end
            end
         end)
      end,
      each = function(ctx, _, device)
         if device then
            ctx.seen:put(device, ctx:now())
         end
      end,
   }
   :to "alerts"

return app
