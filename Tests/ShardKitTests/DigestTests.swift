import ShardKit
import Testing

@Suite struct DigestTests {
  /// FIPS 180-2's examples.
  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
  ])
  func isSHA256(_ text: String, _ hex: String) {
    #expect(Digester.digest(Array(text.utf8)).hex == hex)
    #expect(Digest(hex: hex)?.short == String(hex.prefix(16)))
  }

  @Test func fieldsDoNotRunTogether() {
    func digest(_ fields: String...) -> Digest {
      var digester = Digester()
      for field in fields { digester.update(field: field) }
      return digester.finish()
    }
    #expect(
      Set([digest("ab", "c"), digest("a", "bc"), digest("abc"), digest("", "abc"), digest("abc", "")]).count == 5)
    #expect(digest("a", "b") == digest("a", "b"))
  }

  /// A field's bytes follow their count as eight bytes, whatever their number.
  @Test(arguments: [0, 1, 1024, 1025, 5000])
  func aFieldIsItsLengthAndItsBytes(_ count: Int) {
    var digester = Digester()
    digester.update(field: String(repeating: "f", count: count))
    let length = (0..<8).map { UInt8(truncatingIfNeeded: count >> ($0 * 8)) }
    #expect(digester.finish() == Digester.digest(length + [UInt8](repeating: UInt8(ascii: "f"), count: count)))
  }

  @Test func aDigestIsTheFieldOfItsDigits() throws {
    let digest = Digester.digest([1])
    var (own, text) = (Digester(), Digester())
    own.update(field: digest)
    text.update(field: digest.hex)
    #expect(own.finish() == text.finish())
  }

  @Test func digestsAreInTheOrderOfTheirDigits() {
    let digests = (0..<200).map { Digester.digest([UInt8($0)]) }
    #expect(digests.sorted().map(\.hex) == digests.map(\.hex).sorted())
    #expect(digests.allSatisfy { Digest(hex: $0.hex) == $0 })
  }

  @Test(arguments: ["", "ab", String(repeating: "A", count: 64), String(repeating: "g", count: 64)])
  func onlyLowerCaseHexadecimalIsADigest(_ text: String) { #expect(Digest(hex: text) == nil) }

  @Test func eachDigitIsReadAndWritten() {
    for place in [0, 7, 8, 38, 63] {
      for byte in UInt8(0)..<128 {
        var digits = Array(repeating: UInt8(ascii: "5"), count: 64)
        digits[place] = byte
        let text = String(decoding: digits, as: UTF8.self)
        let isDigit = Array("0123456789abcdef".utf8).contains(byte)
        #expect(Digest(hex: text)?.hex == (isDigit ? text : nil))
      }
    }
  }

  /// Stored keys must mean the same on every machine: values of the xxHash specification's test vectors.
  @Test func recordHashesAreXXHash() {
    #expect(recordHash([UInt8]()) == 0x2D06_8005_38D3_94C2)
    [UInt8]().withUnsafeBytes { #expect(xxh64($0) == 0xEF46_DB37_51D8_E999) }
    Array("abc".utf8).withUnsafeBytes { #expect(xxh64($0) == 0x44BC_2CF5_AD77_0999) }
    #expect(recordHash(Array("あ".utf8)) != recordHash(Array("い".utf8)))
  }

  @Test func hexadecimalDigits() { #expect(hexadecimal([0, 1, 0x7F, 0xFF] as [UInt8]) == "00017fff") }
}
