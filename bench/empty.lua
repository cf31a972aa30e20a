-- empty.lua - what wrk posts: transactions of the published workflow `empty`, which has no steps.
--
-- With CHECK=1 every answer is read, which costs wrk as much as all the rest of its work;
-- so the measured runs go without, and bench-rest.sh holds the coordinator's own count
-- against wrk's.
wrk.method = "POST"
wrk.path = "/v1/transactions"
wrk.body = '{"workflow":"empty","wait":"finished"}'
wrk.headers["Content-Type"] = "application/json"

local threads = {}

function setup(thread)
	table.insert(threads, thread)
end

read, wrong = 0, "" -- globals: thread:get sees no others

if os.getenv("CHECK") == "1" then
	function response(status, _, body)
		read = read + 1
		if status ~= 201 or not body:find('"status":"committed"', 1, true) then
			wrong = status .. " " .. body:sub(1, 200)
		end
	end
end

function done(summary, latency)
	local all, text, e = 0, "", summary.errors

	for _, thread in ipairs(threads) do
		all = all + thread:get("read")
		text = text .. thread:get("wrong")
	end
	io.write(string.format("wrk requests=%d us=%d errors=%d read=%d p50_ms=%.2f p99_ms=%.2f wrong=%s\n",
		summary.requests, summary.duration,
		e.connect + e.read + e.write + e.status + e.timeout, all,
		latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, text))
end
