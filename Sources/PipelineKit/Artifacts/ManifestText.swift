import ShardKit

/// Reading manifests and identities from the text that a database has: their lists of files, which are nearly all of it, are
/// read apart from the rest (`JSONRows`).
private struct PartedText {
  /// The text with an empty list in the place of each that was read.
  var rest: [UInt8]

  private let text: UnsafeRawBufferPointer
  private var copied = 0

  init(_ text: UnsafeRawBufferPointer) {
    self.text = text
    rest = []
  }

  /// Takes out a list, which must come after the one before; nil, and nothing is taken, if it is not in the usual form.
  mutating func take<Row>(at offset: Int?, _ row: (inout JSONRows) -> Row?) -> [Row]? {
    guard let offset, offset >= copied else { return nil }
    var rows = JSONRows(text, at: offset)
    guard let list = rows.list(row) else { return nil }
    rest += text[copied..<offset]
    rest += [UInt8(ascii: "["), UInt8(ascii: "]")]
    copied = rows.at
    return list
  }

  mutating func finish() { rest += text[copied...] }
}

extension NodeIdentity {
  /// nil if it is none.
  init?(text: String) {
    var text = text
    let read = text.withUTF8 { bytes -> NodeIdentity? in
      var parted = PartedText(UnsafeRawBufferPointer(bytes))
      let files = parted.take(at: JSONRows(UnsafeRawBufferPointer(bytes)).value(of: "files"), File.row)
      parted.finish()
      guard var identity: NodeIdentity = try? JSONValue.parse(parted.rest).value.decode() else { return nil }
      if let files { identity.files = files }
      return identity
    }
    guard let read else { return nil }
    self = read
  }
}

extension NodeManifest {
  /// nil if it is none, or its fingerprint is not that of its identity.
  init?(text: String) {
    var text = text
    let read = text.withUTF8 { bytes -> NodeManifest? in
      let all = UnsafeRawBufferPointer(bytes)
      var parted = PartedText(all)
      let identity = JSONRows(all).value(of: "identity")
      let named = parted.take(
        at: identity.flatMap { JSONRows(all, at: $0).value(of: "files") }, NodeIdentity.File.row)
      let published = parted.take(at: JSONRows(all).value(of: "files"), PublishedFile.row)
      parted.finish()
      guard var manifest: NodeManifest = try? JSONValue.parse(parted.rest).value.decode() else { return nil }
      if let named { manifest.identity.files = named }
      if let published { manifest.files = published }
      return manifest
    }
    guard let read, read.fingerprint == read.identity.fingerprint else { return nil }
    self = read
  }
}

extension NodeIdentity.File {
  fileprivate static func row(_ rows: inout JSONRows) -> Self? {
    guard rows.skip("{\"option\":"), let option = rows.string(), rows.skip(",\"name\":"), let name = rows.string(),
      rows.skip(",\"digest\":"), let digest = rows.digest(), rows.skip("}")
    else { return nil }
    return Self(option: option, name: name, digest: digest)
  }
}

extension PublishedFile {
  fileprivate static func row(_ rows: inout JSONRows) -> Self? {
    guard rows.skip("{\"port\":"), let port = rows.string(), rows.skip(",\"name\":"), let name = rows.string(),
      rows.skip(",\"bytes\":"), let bytes = rows.integer(), rows.skip(",\"digest\":"), let digest = rows.digest(),
      rows.skip(",\"documents\":"), let documents = rows.integer(), rows.skip(",\"textBytes\":"),
      let textBytes = rows.integer(), max(bytes, documents, textBytes) <= 1 << 46
    else { return nil }
    let isPassed = rows.skip(",\"passed\":true")
    guard rows.skip("}") else { return nil }
    return Self(
      port: port, name: name, bytes: bytes, digest: digest, documents: Int(documents), textBytes: textBytes,
      passed: isPassed ? true : nil)
  }
}

// MARK: Writing

/// A list that is written element by element, so that no tree of a million files is made.
private struct LongList {
  /// Where it belongs, in a value that has an empty list there.
  var path: [String]
  var count: Int
  var element: (Int) -> JSONValue

  /// The text of a value with the lists in it, which are named in the order of the text.
  static func text(of bare: JSONValue, with lists: [LongList], isPretty: Bool) -> [UInt8] {
    let text = Array((isPretty ? bare.prettyText() : bare.text()).utf8)
    guard let root = try? JSONValue.parse(text) else { fatalError("what was written is JSON") }
    var out: [UInt8] = []
    var copied = 0
    for list in lists where list.count > 0 {
      var node = root
      for key in list.path { node = node.value.members!.first { $0.key.isExactly(key) }!.node }
      out += text[copied..<node.offset]
      list.append(to: &out, indent: isPretty ? 2 : nil)
      copied = node.offset + 2
    }
    return out + text[copied...]
  }

  private func append(to out: inout [UInt8], indent: Int?) {
    func newline(_ depth: Int) {
      guard let indent else { return }
      out.append(10)
      out.append(contentsOf: repeatElement(32, count: indent * depth))
    }
    out.append(UInt8(ascii: "["))
    for i in 0..<count {
      if i > 0 { out.append(UInt8(ascii: ",")) }
      newline(path.count + 1)
      element(i).append(to: &out, indent: indent, depth: path.count + 1)
    }
    newline(path.count)
    out.append(UInt8(ascii: "]"))
  }
}

extension NodeIdentity {
  /// As `json.text()`.
  var text: String {
    var bare = self
    bare.files = []
    return String(decoding: LongList.text(of: bare.json, with: [list(["files"])], isPretty: false), as: UTF8.self)
  }

  fileprivate func list(_ path: [String]) -> LongList {
    LongList(path: path, count: files.count) { [files] in
      ["option": .string(files[$0].option), "name": .string(files[$0].name), "digest": .string(files[$0].digest.hex)]
    }
  }
}

extension NodeManifest {
  /// As `json.text()`, or as `json.prettyText()`.
  func text(isPretty: Bool = false) -> [UInt8] {
    var bare = self
    bare.files = []
    bare.identity.files = []
    let published = LongList(path: ["files"], count: files.count) { [files] in
      let file = files[$0]
      let members: JSONValue = [
        "port": .string(file.port), "name": .string(file.name), "bytes": .integer(Int(file.bytes)),
        "digest": .string(file.digest.hex), "documents": .integer(file.documents),
        "textBytes": .integer(Int(file.textBytes)),
      ]
      return file.isPassed ? .object((members.members ?? []) + [JSONMember("passed", true)]) : members
    }
    return LongList.text(of: bare.json, with: [identity.list(["identity", "files"]), published], isPretty: isPretty)
  }
}
