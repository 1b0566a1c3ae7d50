import ShardKit
import Testing

@Suite struct NumbersTests {
  private func decimal(_ text: String) -> Double? { Array(text.utf8).withUnsafeBytes { parseDecimal($0) } }
  private func unsigned(_ text: String) -> UInt64? { Array(text.utf8).withUnsafeBytes { parseUnsigned($0) } }

  @Test(arguments: [
    "0", "-0", "0.946919", "1", "-3.5", ".5", "7.", "123456789012345", "0.1234567890123456789", "1e-4", "-2.5E+10",
    "179769313486231570000000000000", "0.000000000000001", "99999999999999999999", "+5",
  ])
  func decimalsAreRoundedCorrectly(_ text: String) { #expect(decimal(text) == Double(text) && decimal(text) != nil) }

  @Test(arguments: ["", "-", ".", "abc", "1,5", "nan", "inf", "0x10", "1e999", "1 ", " 1", "1.2.3", "--1", "１"])
  func whatIsNoDecimalIsNil(_ text: String) { #expect(decimal(text) == nil) }

  @Test func integers() {
    #expect(unsigned("0") == 0 && unsigned("007") == 7 && unsigned("18446744073709551615") == .max)
    for bad in ["", "-1", "+1", "18446744073709551616", "1.0", "999999999999999999999"] {
      #expect(unsigned(bad) == nil)
    }
  }
}
