-- SPDX-License-Identifier: Apache-2.0
--
-- Counts words: the topic "lines" (text) in, the topic "word-counts" (text key, int64
-- value) out, the store "counts" for queries. The same as word_count.c.
--
--   weir run word_count.lua

local weir = require "weir"
local app = weir.app "word-count"

app:stream("lines", weir.text)
   :flat_map_values(function(line)
      return (line or ""):lower():gmatch "[a-z0-9_]+"
   end)
   :group_by(function(word) return word end)
   :count "counts"
   :to "word-counts"

return app
