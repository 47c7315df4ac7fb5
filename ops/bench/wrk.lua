-- wrk's part: arguments are the method, the path and a file with "form<TAB>cookies" of a crowd, one
-- person a line; each request is the next one's. Says what it measured as one line of JSON.
local method, path, people, at = nil, nil, {}, 0

function init(args)
  method, path = args[1], args[2]
  for line in io.lines(args[3]) do
    local form, cookies = string.match(line, '^([^\t]*)\t(.*)$')
    people[#people + 1] = {form, cookies}
  end
end

function request()
  at = at % #people + 1
  local headers = {['Accept'] = 'application/json', ['Host'] = '127.0.0.1'}
  if method == 'GET' then
    headers['Cookie'] = people[at][2]
    return wrk.format('GET', path, headers)
  end
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
