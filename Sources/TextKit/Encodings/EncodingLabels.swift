extension PageEncoding {
  /// The encodings declared by HTTP and by the page itself.
  static func labels(_ bytes: UnsafeBufferPointer<UInt8>, declared: String?, isHTML: Bool) -> [String] {
    var labels: [String] = []
    if let declared, let label = normalized(declared) { labels.append(label) }
    // If a label can be read as ASCII, the page is not UTF-16.
    if isHTML, let label = metaLabel(bytes) { labels.append(label.hasPrefix("utf-16") ? "utf-8" : label) }
    return labels
  }

  /// Names as grouped by the WHATWG Encoding Standard: the label Shift_JIS means code page 932.
  public static func normalized(_ label: String) -> String? {
    let kept = label.utf8.filter { $0 > 0x20 && !"\"';".utf8.contains($0) }
    let name = String(decoding: kept.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
    switch name {
    case "": return nil
    case "utf-8", "utf8", "unicode-1-1-utf-8", "utf_8", "x-unicode20utf8": return "utf-8"
    case "shift_jis", "shift-jis", "sjis", "x-sjis", "windows-31j", "ms_kanji", "csshiftjis", "cp932", "ms932",
      "shift_jis-2004", "sjis-win", "windows-932":
      return "shift_jis"
    case "euc-jp", "x-euc-jp", "euc_jp", "eucjp", "cseucpkdfmtjapanese", "eucjp-win", "x-euc": return "euc-jp"
    case "iso-2022-jp", "csiso2022jp", "jis", "iso-2022-jp-ms": return "iso-2022-jp"
    case "iso-8859-1", "iso8859-1", "latin1", "us-ascii", "ascii", "windows-1252", "cp1252", "iso_8859-1", "l1",
      "iso88591", "x-cp1252", "ansi_x3.4-1968":
      return "windows-1252"
    case "utf-16", "utf-16le", "ucs-2", "unicode": return "utf-16le"
    case "utf-16be", "unicodefffe": return "utf-16be"
    case "gb2312", "gbk", "x-gbk", "gb_2312-80": return "gb18030"
    case "big5-hkscs", "x-x-big5", "cn-big5": return "big5"
    case "ks_c_5601-1987", "ksc5601", "korean", "windows-949": return "euc-kr"
    default: return name
    }
  }

  /// Styles and scripts before the declaration can be longer than the head of a text.
  private static let headBytes = 1 << 20

  /// The `charset` of a `<meta>` or the `encoding` of an XML declaration, before the body; the first one that names an
  /// encoding.
  static func metaLabel(_ bytes: UnsafeBufferPointer<UInt8>) -> String? {
    let head = UnsafeBufferPointer(rebasing: bytes.prefix(headBytes))
    var at = 0
    if begins(head, 0, "<?xml"), let end = head.firstIndex(of: UInt8(ascii: ">")) {
      if let label = label(in: head[..<end], after: "encoding") { return label }
      at = end
    }
    while let open = head[at...].firstIndex(of: UInt8(ascii: "<")) {
      at = open + 1
      if begins(head, open, "<!--") {
        guard let end = commentEnd(head, open + 2) else { return nil }
        at = end
      } else if begins(head, open, "<meta") {
        let end = head[at...].firstIndex(of: UInt8(ascii: ">")) ?? head.count
        if let label = label(in: head[at..<end], after: "charset") { return label }
        at = end
      } else if begins(head, open, "<body") {
        return nil
      }
    }
    return nil
  }

  /// Whether a lower-case ASCII text is at a position, in any case.
  private static func begins(_ bytes: UnsafeBufferPointer<UInt8>, _ place: Int, _ text: StaticString) -> Bool {
    guard bytes.count - place >= text.utf8CodeUnitCount else { return false }
    for number in 0..<text.utf8CodeUnitCount {
      let byte = bytes[place + number]
      guard (byte &- 0x41 < 26 ? byte | 0x20 : byte) == text.utf8Start[number] else { return false }
    }
    return true
  }

  private static func commentEnd(_ bytes: UnsafeBufferPointer<UInt8>, _ place: Int) -> Int? {
    var at = place
    while let dash = bytes[at...].firstIndex(of: UInt8(ascii: "-")) {
      if begins(bytes, dash, "-->") { return dash + 3 }
      at = dash + 1
    }
    return nil
  }

  /// The value of an attribute in a tag, if it names an encoding.
  private static func label(in tag: Slice<UnsafeBufferPointer<UInt8>>, after key: String) -> String? {
    let tag = tag.map { $0 &- 0x41 < 26 ? $0 | 0x20 : $0 }
    var rest = tag[...]
    while let place = rest.firstRange(of: Array(key.utf8)) {
      rest = rest[place.upperBound...]
      let value = rest.drop { $0 <= 32 }
      guard value.first == UInt8(ascii: "=") else { continue }
      let label = value.dropFirst().drop { $0 <= 32 || $0 == 0x22 || $0 == 0x27 }
        .prefix { $0 > 32 && $0 != 0x22 && $0 != 0x27 && $0 != 0x3B && $0 != 0x2F && $0 != 0x3F }
      if let name = normalized(String(decoding: label, as: UTF8.self)), isKnown(name) { return name }
    }
    return nil
  }

  private static func isKnown(_ name: String) -> Bool {
    ["utf-8", "shift_jis", "euc-jp", "iso-2022-jp", "windows-1252", "utf-16le", "utf-16be"].contains(name)
      || [UInt8(ascii: "a")].withUnsafeBufferPointer { decode($0, as: name) != nil }
  }
}
