import Glibc
import ShardKit

/// What a stage with `foreach` is repeated for.
///
///     "web": { "foreach": ["ja_cc", "ja_wiki"], "use": "documents.read", "options": { "files": "${data}/${item}" } }
///
/// makes the stages `web-ja_cc` and `web-ja_wiki`; as an input, `web` stands for both. A list, an object (its keys are
/// the names), a folder or a pattern of paths.
struct Foreach {
  /// The most stages that one entry makes.
  static let most = 10_000

  struct Item {
    /// The value of `${item}`.
    var value: JSONValue
    /// The value of `${key}`, and the end of the stage's name.
    var key: String
    /// What it was called, for messages.
    var shown: String
    var offset: Int

    var scope: [Substitution.Variable] { [.init(name: "item", value: value), .init(name: "key", value: .string(key))] }
  }

  /// What is wrong, and where.
  struct Problem: Error {
    var offset: Int
    var message: String
  }

  /// Folder that relative paths start from.
  let folder: String

  /// - Parameter node: the value of `foreach`, parameters put in.
  func items(_ node: JSONNode) throws(Problem) -> [Item] {
    let items: [Item]
    switch node.value {
    case .array(let nodes):
      var list: [Item] = []
      for element in nodes.prefix(Self.most + 1) { list.append(try item(element)) }
      items = list
    case .object(let members):
      items = members.map { Item(value: $0.value, key: $0.key, shown: $0.key, offset: $0.keyOffset) }
    case .string(let path): items = try paths(path, node.offset)
    default:
      throw Problem(
        offset: node.offset,
        message: "should be a list, an object, or the path of a folder or a pattern, not \(node.value.typeName)")
    }
    guard !items.isEmpty else {
      throw Problem(offset: node.offset, message: "there is nothing to repeat the stage for")
    }
    guard items.count <= Self.most else {
      throw Problem(offset: node.offset, message: "more than \(Self.most) items")
    }
    return try named(items)
  }

  private func item(_ node: JSONNode) throws(Problem) -> Item {
    switch node.value {
    case .string(let text): return Item(value: node.value, key: text, shown: text, offset: node.offset)
    case .integer, .number, .bool:
      let text = node.value.text()
      return Item(value: node.value, key: text, shown: text, offset: node.offset)
    case .object:
      guard let name = node.value["name"]?.string else {
        throw Problem(offset: node.offset, message: "an item that is an object needs a \"name\", which is a string")
      }
      return Item(value: node.value, key: name, shown: name, offset: node.offset)
    case .null, .array:
      throw Problem(offset: node.offset, message: "an item should be a value or an object, not \(node.value.typeName)")
    }
  }

  /// Keys that can end a stage's name, each once.
  private func named(_ items: [Item]) throws(Problem) -> [Item] {
    var seen: [String: String] = [:]
    var out: [Item] = []
    for var item in items {
      item.key = String(decoding: item.key.utf8.map { Self.isNameByte($0) ? $0 : 0x5F }, as: UTF8.self)
      guard !item.key.isEmpty else { throw Problem(offset: item.offset, message: "an item has an empty name") }
      if let other = seen.updateValue(item.shown, forKey: item.key) {
        throw Problem(
          offset: item.offset,
          message: other == item.shown
            ? "the item '\(other)' appears twice"
            : "the items '\(other)' and '\(item.shown)' would make stages of one name, which ends in '\(item.key)'; "
              + "give each a \"name\"")
      }
      out.append(item)
    }
    return out
  }

  static func isNameByte(_ byte: UInt8) -> Bool {
    (byte | 32 >= 97 && byte | 32 <= 122) || (byte >= 48 && byte <= 57) || byte == 45 || byte == 95
  }

  // MARK: Folders and patterns

  /// The entries of a folder, or what matches a pattern, in byte order. Items are paths as they would be written.
  private func paths(_ path: String, _ offset: Int) throws(Problem) -> [Item] {
    guard !path.isEmpty, !path.utf8.contains(0) else { throw Problem(offset: offset, message: "the path is empty") }
    let isPattern = path.contains("*") || path.contains("?")
    let pattern = isPattern ? path : path.hasSuffix("/") ? path + "*" : path + "/*"
    let absolute = pattern.hasPrefix("/") ? pattern : "\(folder)/\(pattern)"
    if !isPattern, !FileSystem.isDirectory(path.hasPrefix("/") ? path : "\(folder)/\(path)") {
      throw Problem(
        offset: offset,
        message: "there is no folder '\(path)'; name a folder, a pattern such as \"data/*.jsonl\", or a list")
    }
    var found = glob_t()
    defer { globfree(&found) }
    guard Glibc.glob(absolute, 0, nil, &found) == 0 else {
      throw Problem(offset: offset, message: "nothing matches '\(pattern)'; the resolved pattern is \(absolute)")
    }
    var names: [String] = []
    for i in 0..<min(Int(found.gl_pathc), Self.most + 1) {
      guard let name = String(validatingCString: found.gl_pathv[i]!) else {
        throw Problem(offset: offset, message: "a name that matches '\(pattern)' is not valid UTF-8")
      }
      let below = pattern.hasPrefix("/") ? 0 : folder.utf8.count + 1
      names.append(String(decoding: name.utf8.dropFirst(below), as: UTF8.self))
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.map {
      Item(value: .string($0), key: Self.stem($0), shown: $0, offset: offset)
    }
  }

  private static let endings = [
    ".jsonl", ".json", ".ndjson", ".parquet", ".arrow", ".csv", ".tsv", ".txt", ".xml", ".tar", ".zip", ".warc", ".wet",
    ".gz", ".bz2", ".xz", ".zst", ".lz4",
  ]

  /// The last part of a path, without the endings of data files.
  private static func stem(_ path: String) -> String {
    var name = ArchivePath.lastPart(of: path)
    while let ending = endings.first(where: { name.hasSuffix($0) && name != $0 }) {
      name = String(name.dropLast(ending.count))
    }
    return name
  }
}
