/// Rewriting the strings of a JSON text in place of it, the rest as written.
public enum JSONStrings {
  /// Calls `body` with every string, keys included, and with numbers of at least `longNumber` characters, as UTF-8
  /// without quotes and escapes. What it changes is written as a string.
  /// - Parameter json: valid JSON.
  /// - Returns: whether anything changed.
  @discardableResult
  public static func rewrite(
    _ json: inout [UInt8], longNumber: Int = .max, _ body: (inout [UInt8]) -> Bool
  ) -> Bool {
    var out: [UInt8] = [], copied = 0, i = 0
    while i < json.count {
      let start = i
      if json[i] == 0x22 {
        i = stringEnd(json, i)
      } else if isNumber(json[i]) {
        while i < json.count, isNumber(json[i]) { i += 1 }
        if i - start < longNumber { continue }
      } else {
        i += 1
        continue
      }
      var value = content(json[start..<i])
      guard body(&value) else { continue }
      out.append(contentsOf: json[copied..<start])
      JSONText.append(string: value, to: &out)
      copied = i
    }
    guard copied > 0 else { return false }
    out.append(contentsOf: json[copied...])
    json = out
    return true
  }

  private static func isNumber(_ byte: UInt8) -> Bool {
    byte &- 0x30 < 10 || byte == 0x2D || byte == 0x2B || byte == 0x2E || byte | 0x20 == 0x65
  }

  /// Behind the closing quote.
  private static func stringEnd(_ json: [UInt8], _ start: Int) -> Int {
    var i = start + 1
    while i < json.count, json[i] != 0x22 { i += json[i] == 0x5C ? 2 : 1 }
    return min(json.count, i + 1)
  }

  private static func content(_ token: ArraySlice<UInt8>) -> [UInt8] {
    guard token.first == 0x22 else { return Array(token) }
    let inner = token.dropFirst().dropLast()
    guard inner.contains(0x5C) else { return Array(inner) }
    return ((try? JSONValue.parse(Array(token)))?.value.string).map { Array($0.utf8) } ?? Array(inner)
  }
}
