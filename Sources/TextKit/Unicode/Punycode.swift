/// Names of hosts in other scripts, as they stand in the domain name system: `日本語.jp` is `xn--wgv71a119e.jp`
/// (RFC 3492; the mapping before it is NFKC and lower case, as UTS 46 has it for nearly every name).
public enum Punycode {
  /// The name in ASCII: every label that has other characters is encoded. `。`, `．` and `｡` are dots. nil if a label is
  /// longer than a name may be.
  public static func ascii(host: String) -> String? {
    if host.utf8.allSatisfy({ $0 < 0x80 }) { return String(UnicodeFacts.lowercased(host)) }
    var mapped: [UInt8] = []
    Array(host.utf8).withUnsafeBufferPointer { NFKC.cleaning.normalize($0, into: &mapped) }
    let labels = String(UnicodeFacts.lowercased(String(decoding: mapped, as: UTF8.self)))
      .split(omittingEmptySubsequences: false) { $0 == "." || $0 == "。" || $0 == "｡" || $0 == "．" }
    var out: [String] = []
    for label in labels {
      if label.utf8.allSatisfy({ $0 < 0x80 }) {
        out.append(String(label))
      } else if let encoded = encode(label.unicodeScalars.map(\.value)) {
        out.append("xn--" + encoded)
      } else {
        return nil
      }
    }
    return out.joined(separator: ".")
  }

  private static let (base, tMin, tMax, skew, damp): (Int, Int, Int, Int, Int) = (36, 1, 26, 38, 700)

  /// One label without its prefix; nil if it has more than 63 characters.
  static func encode(_ label: [UInt32]) -> String? {
    guard label.count <= 63 else { return nil }
    var out = label.filter { $0 < 0x80 }.map { UInt8($0) }
    let basic = out.count
    if basic > 0 { out.append(0x2D) }
    var n: UInt32 = 0x80, delta = 0, bias = 72, handled = basic
    while handled < label.count {
      let next = label.filter { $0 >= n }.min()!
      delta += Int(next - n) * (handled + 1)
      n = next
      for scalar in label {
        if scalar < n { delta += 1 }
        guard scalar == n else { continue }
        append(delta, bias, to: &out)
        bias = adapted(delta, handled + 1, isFirst: handled == basic)
        delta = 0
        handled += 1
      }
      delta += 1
      n += 1
    }
    return out.count <= 59 ? String(decoding: out, as: UTF8.self) : nil
  }

  /// A number in digits of a base that varies with the position, the least first.
  private static func append(_ number: Int, _ bias: Int, to out: inout [UInt8]) {
    var q = number, k = base
    while true {
      let t = k <= bias ? tMin : k >= bias + tMax ? tMax : k - bias
      if q < t { break }
      out.append(digit(t + (q - t) % (base - t)))
      q = (q - t) / (base - t)
      k += base
    }
    out.append(digit(q))
  }

  private static func digit(_ value: Int) -> UInt8 { UInt8(value < 26 ? value + 0x61 : value - 26 + 0x30) }

  private static func adapted(_ delta: Int, _ count: Int, isFirst: Bool) -> Int {
    var delta = isFirst ? delta / damp : delta / 2, k = 0
    delta += delta / count
    while delta > (base - tMin) * tMax / 2 {
      delta /= base - tMin
      k += base
    }
    return k + (base - tMin + 1) * delta / (delta + skew)
  }
}
