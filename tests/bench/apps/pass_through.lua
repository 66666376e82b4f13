-- SPDX-License-Identifier: Apache-2.0
-- The benchmark's copy of a topic.
local weir = require "weir"
local app = weir.app "bench-pass-through"

app:stream("events"):to "copies"

return app
