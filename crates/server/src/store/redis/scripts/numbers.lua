-- Before every script: numbers as texts of 20 digits, whose order is the numbers' own.
local function padded(number) return string.format('%020.0f', number) end

-- Anything may have been written there by anyone; and a Lua number counts no further than 2^53.
local function whole(text)
  local number = text and #text == 20 and string.match(text, '^%d+$') and tonumber(text)
  return number and number < 9007199254740992 and number or nil
end

