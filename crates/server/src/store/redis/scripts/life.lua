-- One life: one process that has been the master all the while. Where INFO may not be asked, lives cannot be told apart, and
-- each looks like ':'.
local function this_life()
  local function told(section, name)
    local info = redis.pcall('INFO', section)
    return type(info) == 'string' and string.match(info, name .. ':(%w+)') or ''
  end
  return told('server', 'run_id') .. ':' .. told('replication', 'master_replid')
end
