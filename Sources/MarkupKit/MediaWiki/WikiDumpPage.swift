import ShardKit

/// One page of a MediaWiki export, with the last revision that the dump holds of it.
///
/// Schema: https://www.mediawiki.org/xml/export-0.11.xsd, and back to 0.3, which has no `<ns>` and no `<model>`.
public final class WikiDumpPage {
  public var id: [UInt8] = []
  public var title: [UInt8] = []
  public var revision: [UInt8] = []
  public var timestamp: [UInt8] = []
  /// Empty in old dumps, where every page is wikitext.
  public var model: [UInt8] = []
  /// As `<ns>` says; empty in old dumps.
  public var namespace: [UInt8] = []
  /// Whether there is a `<redirect>` element next to the text.
  public var isRedirect = false
  @exclusivity(unchecked) public var text = PageBuffer(capacity: 1 << 12)
  /// Bytes of text in the dump, which a bound may have cut from `text`.
  @exclusivity(unchecked) public var textBytes = 0
  /// Elements that were in the text unescaped.
  public var textElements = 0

  init() {}

  func clear() {
    id.removeAll(keepingCapacity: true)
    title.removeAll(keepingCapacity: true)
    namespace.removeAll(keepingCapacity: true)
    isRedirect = false
    clearRevision()
  }

  func clearRevision() {
    revision.removeAll(keepingCapacity: true)
    timestamp.removeAll(keepingCapacity: true)
    model.removeAll(keepingCapacity: true)
    text.removeAll()
    textBytes = 0
    textElements = 0
  }
}

extension WikiDumpPage {
  /// Whether the text itself says that this is a redirect: `#転送 [[…]]`, `#REDIRECT [[…]]`, also with a wide `＃`.
  /// Old dumps have no `<redirect>` element.
  public var textIsRedirect: Bool {
    let bytes = text.bytes
    var start = 0
    while start < bytes.count, bytes[start] <= 0x20 { start += 1 }
    if bytes[start...].starts(with: [0xEF, 0xBC, 0x83]) {
      start += 3
    } else if start < bytes.count, bytes[start] == UInt8(ascii: "#") {
      start += 1
    } else {
      return false
    }
    while start < bytes.count, bytes[start] == 0x20 { start += 1 }
    let rest = bytes[start...]
    for word in Self.redirectWords where rest.count >= word.count {
      guard zip(rest, word).allSatisfy({ ByteNameTable<Int>.folded($0) == $1 }) else { continue }
      let target = rest.dropFirst(word.count).drop { $0 == 0x20 || $0 == UInt8(ascii: ":") || $0 == 0x0A }
      if target.starts(with: [UInt8(ascii: "["), UInt8(ascii: "[")]) { return true }
    }
    return false
  }

  /// In English, Japanese and the other large Wikipedias; old dumps have no `<redirect>` element to go by.
  private static let redirectWords = """
    redirect 転送 リダイレクト weiterleitung redirection redirección redireccion rinvia rinvio rimando redirecionamento
    doorverwijzing omdirigering omdiriger ohjaus uudelleenohjaus patrz przekieruj tam перенаправление перенаправленье
    перенапр перенаправлення přesměruj presmeruj átirányítás yönlendi̇rme aanstuur 重定向 넘겨주기 تحويل הפניה
    """.split(whereSeparator: { $0 == " " || $0 == "\n" }).flatMap { word in
      [String(word), word.uppercased()].map { $0.utf8.map { ByteNameTable<Int>.folded($0) } }
    }
}
