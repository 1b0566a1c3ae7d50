public import ShardKit

/// Slurm's lists of hosts, such as `n[1-3,07],login` or `rack[0-1]-node[08-11]`.
public enum SlurmHosts {
  /// Longer lists than any cluster's are refused.
  static let most = 1 << 16

  /// The hosts in the list's order. A number keeps the zeros that it is written with; a range has those of its start.
  /// - Throws: `TorchError` (`group`) if the text is not a list of hosts.
  public static func expand(_ text: String) throws(TorchError) -> [String] {
    var hosts: [String] = []
    for item in try split(Array(text.utf8)) {
      hosts += try expand(item: item, text, room: most - hosts.count)
    }
    return hosts
  }

  private static func malformed(_ text: String) -> TorchError {
    TorchError(
      .group, "", "'\(text.prefix(80))' is not a list of hosts, such as n[1-3,07]",
      hint: "Set MASTER_ADDR to the first host.")
  }

  /// Parts between commas that are not in brackets.
  private static func split(_ bytes: [UInt8]) throws(TorchError) -> [ArraySlice<UInt8>] {
    var parts: [ArraySlice<UInt8>] = []
    var start = 0, isInside = false
    for (place, byte) in bytes.enumerated() {
      switch byte {
      case UInt8(ascii: "["), UInt8(ascii: "]"):
        guard isInside == (byte == UInt8(ascii: "]")) else { throw malformed(String(decoding: bytes, as: UTF8.self)) }
        isInside.toggle()
      case UInt8(ascii: ",") where !isInside:
        parts.append(bytes[start..<place])
        start = place + 1
      default: break
      }
    }
    guard !isInside else { throw malformed(String(decoding: bytes, as: UTF8.self)) }
    return parts + [bytes[start...]]
  }

  private static func expand(item: ArraySlice<UInt8>, _ text: String, room: Int) throws(TorchError) -> [String] {
    var heads = [""]
    var rest = item
    while let first = rest.first {
      let options: [String]
      if first == UInt8(ascii: "[") {
        let end = rest.firstIndex(of: UInt8(ascii: "]")) ?? rest.endIndex
        options = try numbers(rest[(rest.startIndex + 1)..<end], text, room: room)
        rest = rest[min(end + 1, rest.endIndex)...]
      } else {
        let literal = rest.prefix { $0 != UInt8(ascii: "[") }
        guard literal.allSatisfy(isNameByte) else { throw malformed(text) }
        options = [String(decoding: literal, as: UTF8.self)]
        rest = rest[literal.endIndex...]
      }
      guard heads.count * options.count <= room else { throw malformed(text) }
      heads = heads.flatMap { head in options.map { head + $0 } }
    }
    guard heads != [""] else { throw malformed(text) }
    return heads
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
      true
    default: false
    }
  }

  /// `1-3,07` → 1, 2, 3, 07
  private static func numbers(_ inside: ArraySlice<UInt8>, _ text: String, room: Int) throws(TorchError) -> [String] {
    var out: [String] = []
    for range in inside.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
      let ends = range.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
      guard (1...2).contains(ends.count), let low = number(ends[0]), let high = number(ends[ends.count - 1]),
        low <= high,
        high - low < room - out.count
      else { throw malformed(text) }
      out += (low...high).map { padded($0, ends[0].count) }
    }
    return out
  }

  private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
    guard (1...9).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
  }
}
