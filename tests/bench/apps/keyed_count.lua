-- SPDX-License-Identifier: Apache-2.0
-- The benchmark's count of records by key.
local weir = require "weir"
local app = weir.app "bench-keyed-count"

app:stream("events"):group_by_key():count("counts"):to "event-counts"

return app
