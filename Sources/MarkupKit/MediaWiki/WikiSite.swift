import ShardKit

/// One wiki: its names as the dump's siteinfo gives them, over the English and Japanese names every dump may use.
///
/// Only a *known* prefix is a namespace or an interwiki link. `Re:ゼロから始める異世界生活` is an article.
public struct WikiSite: Sendable {
  var databaseName = ""
  var siteName = ""
  /// The main page's address; its folder is where articles live.
  var base = ""
  var language = "ja"
  private(set) var prefixes = ByteNameTable<WikiLinkPrefix>()

  public init() {
    prefixes.insert(words: WikiNames.languages, .language)
    prefixes.insert(words: WikiNames.projects, .project)
    for (key, names) in WikiForeignNames.namespaces {
      for name in names.split(whereSeparator: { $0 == " " || $0 == "\n" }) {
        addNamespace(key: key, name: String(name))
        addNamespace(key: key, name: name.lowercased())
      }
    }
    for (key, names) in WikiNames.namespaces {
      for name in names.split(separator: " ") { addNamespace(key: key, name: String(name)) }
    }
  }

  /// Adds a namespace of siteinfo. The main namespace has no name and is not added.
  mutating func addNamespace(key: Int, name: String) {
    guard key != 0, !name.isEmpty else { return }
    switch key {
    case 6: prefixes.insert(name, .file)
    case 14: prefixes.insert(name, .category)
    default: prefixes.insert(name, .namespace(key))
    }
  }

  /// The namespace that a title's prefix names; 0 where the prefix is none known. For dumps without `<ns>`.
  public func namespace(ofTitle title: UnsafeBufferPointer<UInt8>) -> Int {
    guard let base = title.baseAddress, let colon = title.firstIndex(of: UInt8(ascii: ":")) else { return 0 }
    switch prefixes.value(base, colon) {
    case .file: return 6
    case .category: return 14
    case .namespace(let key): return key
    case .language, .project, nil: return 0
    }
  }

  /// The address that articles hang under, such as `https://ja.wikipedia.org/wiki/`; empty where unknown.
  public var articleBase: String { ArchivePath.prefix(of: base) }

  /// The name that document ids start with: siteinfo's dbname, or for old dumps the host's first label with "wiki".
  public var idPrefix: String {
    if !databaseName.isEmpty { return databaseName }
    let labels = base.split(separator: "/").dropFirst().first?.split(separator: ".") ?? []
    return labels.count >= 2 && labels[1] == "wikipedia" ? labels[0] + "wiki" : "wiki"
  }
}
