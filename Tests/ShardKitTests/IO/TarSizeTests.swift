import ShardKit
import TestKit
import Testing

/// Sizes in tar headers are numbers from outside: none may overflow.
@Suite struct TarSizeTests {
  private func header(size: [UInt8], type: Character = "0") -> [UInt8] {
    var out = [UInt8](repeating: 0, count: 512)
    out.replaceSubrange(0..<5, with: "a.xml".utf8)
    out.replaceSubrange(124..<(124 + size.count), with: size)
    out.replaceSubrange(148..<156, with: repeatElement(32, count: 8))
    out[156] = type.asciiValue!
    let digits = String(out.reduce(0) { $0 + Int($1) }, radix: 8)
    out.replaceSubrange(148..<156, with: Array("\(String(repeating: "0", count: 6 - digits.count))\(digits)\0 ".utf8))
    return out
  }

  private func binary(_ size: Int) -> [UInt8] {
    [0x80, 0, 0, 0] + (0..<8).reversed().map { UInt8(truncatingIfNeeded: size >> (8 * $0)) }
  }

  private func pax(_ record: String) -> [UInt8] {
    let padding = [UInt8](repeating: 0, count: 512 - record.utf8.count)
    let digits = String(record.utf8.count, radix: 8)
    return header(size: Array(digits.utf8), type: "x") + Array(record.utf8) + padding + header(size: Array("4".utf8))
      + [UInt8](repeating: 65, count: 512)
  }

  private func problem(_ bytes: [UInt8]) -> ShardError? {
    let reader = TarReader(MemorySource(bytes, name: "a.tar"))
    do throws(ShardError) {
      while try reader.next() != nil {}
      return nil
    } catch { return error }
  }

  @Test(arguments: [Int.max, .max - 1, .max - 510, .max - 511, 1 << 62, 1 << 60 + 1])
  func sizesNearTheLargestNumberAreMalformed(size: Int) {
    for (bytes, place) in [
      (header(size: binary(size)) + [UInt8](repeating: 65, count: 1024), "512"),
      (pax("\(9 + String(size).utf8.count) size=\(size)\n"), "1536"),
    ] {
      let error = problem(bytes)
      #expect(error?.code == .malformed)
      #expect(error?.message == "the tar header before byte \(place) states a member of \(size) bytes")
    }
  }

  /// A record ends in a line feed, which is no part of its value; its sign stands before that.
  @Test(arguments: ["5 ab=", "6 a=bc", "4 a=", "4 ==", "5 abc", "3 =", "10 size=4\n6 ab=", "5 a\n=", "4 =\n="])
  func paxRecordsThatEndTooEarly(_ record: String) {
    let place = 512 + record.utf8.count
    #expect(problem(pax(record))?.message == "a pax header before byte \(place) cannot be read")
  }

  @Test func paxRecordsMayHoldNothing() {
    #expect(problem(pax("5 a=\n")) == nil)
    #expect(problem(pax("4 =\n")) == nil)
  }

  @Test func otherSizesThatAreNone() {
    #expect(problem(header(size: binary(-1)))?.code == .malformed)
    #expect(problem(header(size: [0xFF] + [UInt8](repeating: 0xFF, count: 11)))?.code == .malformed)
    #expect(problem(pax("13 size=-512\n"))?.code == .malformed)
    #expect(problem(pax("31 size=9223372036854775808999\n"))?.code == .malformed)
    #expect(problem(pax("9 size=x\n"))?.code == .malformed)
    #expect(problem(pax("9223372036854775807 size=1\n"))?.code == .malformed)
    // A size without such bytes behind it is a cut archive, found without setting them aside.
    #expect(problem(header(size: binary(1 << 60)))?.code == .truncated)
  }
}
