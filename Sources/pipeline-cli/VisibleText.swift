import ShardKit

/// Makes every character visible that a terminal or a browser would interpret: `\u001b` for ESC, and so on.
///
/// Ids, file names and messages come from data and could otherwise recolor, overwrite or reorder what is shown.
/// `Style`'s own sequences are kept. The escapes are those of JSON, so JSON text stays valid.
/// - Parameter keepsLines: keeps line feeds and tabs, for text of several lines.
func visible(_ text: String, keepsLines: Bool = false) -> String {
  guard text.utf8.contains(where: isSuspicious) else { return text }
  var out = String.UnicodeScalarView()
  var rest = text.unicodeScalars[...]
  while let scalar = rest.first {
    if scalar == "\u{1B}", let sequence = Style.sequence(at: rest) {
      out.append(contentsOf: rest[..<sequence])
      rest = rest[sequence...]
      continue
    }
    if isObeyed(scalar.value), !(keepsLines && (scalar == "\n" || scalar == "\t")) {
      out.append(contentsOf: escapeForm(scalar.value).unicodeScalars)
    } else {
      out.append(scalar)
    }
    rest = rest.dropFirst()
  }
  return String(out)
}

/// Escapes text for HTML and SVG, and makes control characters visible.
func escaped(_ text: String) -> String { markupEscaped(visible(text)) }

/// Bytes that occur in every character that is to be escaped, among others.
private func isSuspicious(_ byte: UInt8) -> Bool {
  byte < 0x20 || byte == 0x7F || byte == 0xC2 || byte == 0xD8 || byte == 0xE2 || byte == 0xEF || byte == 0xF3
}

/// ASCII and ISO 6429 controls, bidirectional marks and overrides, line separators, invisible operators and tags.
private func isObeyed(_ value: UInt32) -> Bool {
  switch value {
  case 0..<0x20, 0x7F..<0xA0, 0x61C, 0x200E, 0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF, 0xFFF9...0xFFFB,
    0xE0000...0xE007F:
    true
  default: false
  }
}

private func escapeForm(_ value: UInt32) -> String {
  func unit(_ value: UInt32) -> String { "\\u" + padded(value, 4, radix: 16) }
  guard value > 0xFFFF else { return unit(value) }
  return unit(0xD7C0 + (value >> 10)) + unit(0xDC00 + (value & 0x3FF))
}

/// Quotes a word for the shell; uses `$'…'` if it contains control characters.
func shellQuoted(_ text: String) -> String {
  let isPlain = text.utf8.allSatisfy {
    ($0 | 32 >= 97 && $0 | 32 <= 122) || ($0 >= 45 && $0 <= 58) || $0 == 95 || $0 >= 128
  }
  if text.unicodeScalars.contains(where: { isObeyed($0.value) }) {
    let inside = text.unicodeScalars.map { scalar -> String in
      if scalar == "'" || scalar == "\\" { return "\\" + String(scalar) }
      guard isObeyed(scalar.value) else { return String(scalar) }
      return scalar.value > 0xFFFF ? "\\U000" + String(scalar.value, radix: 16) : escapeForm(scalar.value)
    }
    return "$'" + inside.joined() + "'"
  }
  return isPlain && !text.isEmpty
    ? text
    : "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
}
