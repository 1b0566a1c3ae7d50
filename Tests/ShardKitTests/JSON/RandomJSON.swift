import ShardKit
import TestKit

/// Random values and damaged texts for property tests.
struct RandomJSON {
  var generator: SplitMix

  init(seed: UInt64) { generator = SplitMix(seed: seed) }

  private mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &generator) }

  mutating func string() -> String {
    let scalars: [Unicode.Scalar] = [
      "a", "\"", "\\", "\n", "\r", "\u{0}", "\u{1F}", "\u{7F}", "é", "か", "\u{3099}", "漢", "😀", "/",
    ]
    var out = ""
    for _ in 0..<below(below(10) == 0 ? 200 : 12) { out.unicodeScalars.append(scalars[below(scalars.count)]) }
    return out
  }

  mutating func value(depth: Int = 0) -> JSONValue {
    switch below(depth > 4 ? 5 : 7) {
    case 0: return .null
    case 1: return .bool(below(2) == 0)
    case 2: return .integer(Int.random(in: .min ... .max, using: &generator) >> below(64))
    case 3: return .number(Double(below(1_000_000)) / 64 * (below(2) == 0 ? 1 : 1e-9))
    case 4: return .string(string())
    case 5: return .list((0..<below(5)).map { _ in value(depth: depth + 1) })
    default: return object(depth: depth + 1)
    }
  }

  mutating func object(depth: Int = 0) -> JSONValue {
    var members: [JSONMember] = []
    for i in 0..<below(6) { members.append(JSONMember("\(i)" + string(), value(depth: depth))) }
    return .object(members)
  }

  /// The text with some bytes replaced, removed, doubled or put in from JSON's own alphabet.
  mutating func damaged(_ text: [UInt8]) -> [UInt8] {
    let alphabet = Array("{}[],:\"\\u0123truefalsn-+.eE \u{1}".utf8) + [0xE3, 0xFF]
    var out = text
    for _ in 0...below(2) where !out.isEmpty {
      let at = below(out.count)
      switch below(4) {
      case 0: out[at] = alphabet[below(alphabet.count)]
      case 1: out.remove(at: at)
      case 2: out.insert(out[at], at: at)
      default: out.insert(alphabet[below(alphabet.count)], at: at)
      }
    }
    return out
  }
}
