import Testing
import TextKit

@Suite struct PunycodeTests {
  /// As Python's codec `idna` and registries have them.
  @Test(arguments: [
    ("例え.テスト", "xn--r8jz45g.xn--zckzah"), ("日本語.jp", "xn--wgv71a119e.jp"), ("Bücher.example", "xn--bcher-kva.example"),
    ("ｅｘａｍｐｌｅ。ＪＰ", "example.jp"), ("WWW.Example.COM", "www.example.com"), ("総務省.jp", "xn--lhr645fjve.jp"),
    ("παράδειγμα.δοκιμή", "xn--hxajbheg2az3al.xn--jxalpdlp"), ("a..b", "a..b"), ("", ""),
  ])
  func hosts(name: String, expected: String) { #expect(Punycode.ascii(host: name) == expected) }

  @Test func longLabelsAreRefused() {
    #expect(Punycode.ascii(host: String(repeating: "漢", count: 64) + ".jp") == nil)
  }
}
