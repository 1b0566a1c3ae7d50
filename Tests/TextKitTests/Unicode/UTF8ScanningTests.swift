import TextKit
import Testing

@Suite struct UTF8ScanningTests {
  private func scalars(_ bytes: [UInt8]) -> [UInt32] {
    var out: [UInt32] = []
    bytes.withUnsafeBufferPointer { UTF8Scanning.forEachScalar($0) { scalar, _, _ in out.append(scalar) } }
    return out
  }

  @Test func everyScalarComesBack() {
    var bytes: [UInt8] = []
    var expected: [UInt32] = []
    for value in everyAssignedScalar {
      UTF8Scanning.append(value, to: &bytes)
      expected.append(value)
    }
    #expect(scalars(bytes) == expected)
    bytes.withUnsafeBufferPointer {
      #expect(UTF8Scanning.validPrefix($0) == $0.count)
      #expect(UTF8Scanning.scalarCount($0) == expected.count)
    }
  }

  /// Random bytes, biased to leads and continuations: the same replacements as Swift's own decoder makes.
  @Test func malformedBytesAreReplacedAsTheStandardSays() {
    var random = SystemRandomNumberGenerator()
    let likely: [UInt8] = [
      0x41, 0x80, 0xBF, 0xC0, 0xC2, 0xE0, 0xE3, 0xED, 0xEF, 0xF0, 0xF4, 0xF5, 0xA0, 0x9F, 0x90, 0x8F,
    ]
    for _ in 0..<5_000 {
      let bytes = (0..<Int.random(in: 1...7, using: &random)).map { _ in likely.randomElement(using: &random)! }
      let expected = String(decoding: bytes, as: UTF8.self).unicodeScalars.map(\.value)
      let found = scalars(bytes).map { $0 == UTF8Scanning.malformed ? 0xFFFD : $0 }
      #expect(found == expected, "\(bytes)")
    }
  }

  @Test func validPrefixEndsAtTheFirstFault() {
    ([0xE3, 0x81, 0x82, 0xE3, 0x81] as [UInt8]).withUnsafeBufferPointer { #expect(UTF8Scanning.validPrefix($0) == 3) }
    ([0xED, 0xA0, 0x80] as [UInt8]).withUnsafeBufferPointer { #expect(UTF8Scanning.validPrefix($0) == 0) }
  }
}
