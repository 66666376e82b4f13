-- SPDX-License-Identifier: Apache-2.0
--
-- Revenue per customer: the topic "orders" (JSON such as {"customer": "ada", "cents":
-- 1250, "paid": true}) in, the topic "revenue" (JSON) out, the store "revenue" for
-- queries.
--
--   weir run revenue.lua

local weir = require "weir"
local app = weir.app "revenue"

app:stream("orders", weir.json)
   :filter(function(order) return order ~= nil and order.paid == true end)
   :group_by(function(order) return order.customer end)
   :aggregate {
      store = "revenue",
      init = function() return { orders = 0, cents = 0 } end,
      add = function(row, order)
         row.orders = row.orders + 1
         row.cents = row.cents + order.cents
         return row
      end,
   }
   :to "revenue"

return app
