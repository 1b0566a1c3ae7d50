import ShardKit

/// The elements that matter, by name.
enum WikiDumpElement {
  case mediawiki, siteinfo, sitename, dbname, base, namespace, page, title, ns, id, redirect, revision, timestamp
  case model, text, other

  init(_ name: XMLName) { self.init(name.bytes, name.count) }

  init(_ name: UnsafePointer<UInt8>, _ count: Int) { self = Self.table.value(name, count) ?? .other }

  private static let table: ByteNameTable<WikiDumpElement> = {
    var table = ByteNameTable<WikiDumpElement>()
    for element: WikiDumpElement in [
      .mediawiki, .siteinfo, .sitename, .dbname, .base, .namespace, .page, .title, .ns, .id, .redirect, .revision,
      .timestamp, .model, .text,
    ] {
      table.insert("\(element)", element)
    }
    return table
  }()
}
