-- Sends the requests of a file, one a line as "<target> <cookie>", in turn from any of them
-- on, so that short runs do not all send the same ones, and compares every answer with the
-- one that is expected. Arguments: the file, the expected status and the expected body.
local requests, sent = {}, 0
local threads = {}

function setup(thread) table.insert(threads, thread) end

function init(args)
	expectedStatus, expected, wrong, example = tonumber(args[2]), args[3], 0, ""
	for line in io.lines(args[1]) do
		local target, cookie = line:match("^(%S+) (.+)$")
		requests[#requests + 1] = wrk.format("GET", target, { Cookie = cookie, ["Sluice-Client"] = "1.0.0", ["Sluice-Elapsed"] = "5" })
	end
	math.randomseed(os.time())
	sent = math.random(#requests) - 1
end

function request()
	sent = sent % #requests + 1
	return requests[sent]
end

function response(status, headers, body)
	if status ~= expectedStatus or body ~= expected then
		wrong, example = wrong + 1, status .. " " .. body
	end
end

function done(summary, latency)
	local e, wrong, example = summary.errors, 0, ""
	for _, thread in ipairs(threads) do
		wrong, example = wrong + thread:get("wrong"), thread:get("example")
	end
	io.write(string.format("figures: %d %d %d %f %f %d %s\n", summary.requests, summary.duration, e.connect + e.read + e.write + e.timeout,
		latency:percentile(50), latency:percentile(99), wrong, example))
end
