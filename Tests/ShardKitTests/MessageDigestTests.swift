import Testing

@testable import ShardKit

@Suite struct MessageDigestTests {
  /// FIPS 180-4's and RFC 1321's examples.
  @Test(
    arguments: [
      (.md5, "900150983cd24fb0d6963f7d28e17f72"), (.sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
      (.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
      (
        .sha384,
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"
      ),
      (
        .sha512,
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd"
          + "454d4423643ce80e2a9ac94fa54ca49f"
      ),
    ] as [(MessageDigest.Algorithm, String)])
  func theStandardsExamples(_ algorithm: MessageDigest.Algorithm, _ hex: String) {
    Array("abc".utf8).withUnsafeBytes { #expect(hexadecimal(MessageDigest.digest(algorithm, $0)) == hex) }
  }

  @Test func copiesGoOnByThemselves() {
    var one = Digester()
    Array("a".utf8).withUnsafeBytes { one.update($0) }
    var other = one
    Array("bc".utf8).withUnsafeBytes { other.update($0) }
    Array("x".utf8).withUnsafeBytes { one.update($0) }
    #expect(other.finish() == Digester.digest(Array("abc".utf8)))
    #expect(one.finish() == Digester.digest(Array("ax".utf8)))
    #expect(one.finish() == one.finish(), "asking does not change it")
  }

  /// RFC 4231, test cases 2 and 6 (a key longer than a block), and no key at all.
  @Test(
    arguments: [
      (
        Array("Jefe".utf8), "what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
      ),
      (
        [UInt8](repeating: 0xaa, count: 131), "Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
      ),
      ([], "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"),
    ] as [([UInt8], String, String)])
  func keyedDigests(_ key: [UInt8], _ message: String, _ hex: String) {
    #expect(hexadecimal(KeyedDigest.sha256(Array(message.utf8), key: key)) == hex)
  }
}
