-- SPDX-License-Identifier: Apache-2.0
-- The benchmark's word count: runs of ASCII letters, digits and underscores, in lower case.
local weir = require "weir"
local app = weir.app "bench-word-count"

app:stream("lines", weir.text)
   :flat_map_values(function(line)
      return (line or ""):lower():gmatch "[a-z0-9_]+"
   end)
   :group_by(function(word) return word end)
   :count "counts"
   :to "word-counts"

return app
