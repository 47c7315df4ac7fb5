-- wrk's part. Arguments: the method, the path and a file of a crowd, one person a line: the form of
-- a click, the cookies with it and the cookies of who waits, with tabs between. Each request is the
-- next person's. Says what it measured as one line of JSON.
local method, path, people, at = nil, nil, {}, 0

function init(args)
  method, path = args[1], args[2]
  for line in io.lines(args[3]) do
    local form, clicking, waiting = string.match(line, '^([^\t]*)\t([^\t]*)\t(.*)$')
    people[#people + 1] = {form, clicking, waiting}
  end
end

function request()
  at = at % #people + 1
  local headers = {['Accept'] = 'application/json', ['Host'] = '127.0.0.1'}
  if method == 'GET' then
    headers['Cookie'] = people[at][3]
    return wrk.format('GET', path, headers)
  end
  headers['Cookie'] = people[at][2]
  headers['Content-Type'] = 'application/x-www-form-urlencoded'
  return wrk.format('POST', path, headers, people[at][1])
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "errors": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1000,
    latency:percentile(99) / 1000,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
