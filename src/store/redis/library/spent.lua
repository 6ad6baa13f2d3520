-- What belongs to no warning and is over (spent.rs).

-- Number of a journal's first row, and how many places of the list are no rows.
local function origin(name)
  local first = redis.call('LINDEX', name, 0)
  local n = first and #first < 24 and string.match(first, '^%+(%d+)$')
  if n then return tonumber(n), 1 end
  return 1, 0
end

local function at_of(row)
  return struct.unpack('>i8', row)
end

-- Of a journal that goes on: the number and head of its last row that is not younger, if that spares some; else 0.
local function spare(name, before, few)
  local n, no_rows = origin(name)
  local rows = redis.call('LLEN', name) - no_rows
  if rows <= few then return 0, '' end
  local function row(i) return redis.call('LINDEX', name, i + no_rows) end
  if at_of(row(few)) > before then return 0, '' end
  -- Of the rows from `old` to `young` the first is old enough.
  local old, young = few, rows - 1
  while old < young do
    local middle = math.ceil((old + young) / 2)
    if at_of(row(middle)) <= before then old = middle else young = middle - 1 end
  end
  return n + old, string.sub(row(old), 9, 24)
end

-- A record that leaves whole: its last row, if it is finished and that is not younger; else 0.
local function over(k, text, before)
  local value = redis.call('GETRANGE', k .. 'r' .. text, 0, HEADER - 1)
  local last = redis.call('LINDEX', k .. 'j' .. text, -1)
  if value == '' or not last or has(string.byte(value, 26), 1) or at_of(last) > before then return 0, '' end
  local n, no_rows = origin(k .. 'j' .. text)
  return n + redis.call('LLEN', k .. 'j' .. text) - no_rows - 1, string.sub(last, 9, 24)
end

-- prefix, partition, before, few, (record, whole)*: a row and its head each.
local function spent(_, args)
  local k, before, few, out = key(args[1], args[2]), tonumber(args[3]), tonumber(args[4]), {}
  for i = 5, #args, 2 do
    local row, head
    if args[i + 1] == '1' then row, head = over(k, args[i], before) else row, head = spare(k .. 'j' .. args[i], before, few) end
    out[#out + 1] = { row, head }
  end
  return out
end

-- prefix, partition, (record, whole, row, head)*: what is still so. A journal's row stays as its first.
local function let_go(_, args)
  local k = key(args[1], args[2])
  for i = 3, #args, 4 do
    local text, row, head = args[i], tonumber(args[i + 2]), args[i + 3]
    if args[i + 1] == '1' then
      local value = redis.call('GETRANGE', k .. 'r' .. text, 0, HEADER - 1)
      if value ~= '' and not has(string.byte(value, 26), 1) and not stays(k, text, head) then drop(k, text) end
    else
      local name = k .. 'j' .. text
      local n, no_rows = origin(name)
      local is = row > n and redis.call('LINDEX', name, row - n + no_rows)
      if is and string.sub(is, 9, 24) == head then
        redis.call('LTRIM', name, row - n + no_rows, -1)
        redis.call('LPUSH', name, '+' .. string.format('%.0f', row))
      end
    end
  end
  return ''
end

reading('LIBRARY_spent', spent)
redis.register_function('LIBRARY_let_go', fenced(let_go))
