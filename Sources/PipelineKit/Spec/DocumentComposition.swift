import Glibc
import ShardKit

/// Reads a pipeline file and the files that it extends, and merges them into one tree.
///
/// A file's own parameters, stages, options and inputs replace those of the same name in what it extends; everything
/// else in a base stays. `null` in place of a stage, of `options`, or of an input removes it. A stage with another
/// `use` replaces the whole stage. `name`, `description` and `$schema` are not inherited.
struct DocumentComposition {
  static let mostDepth = 16
  static let mostFiles = 64

  private let root: String
  private(set) var sources = SourceMap()
  private(set) var errors = SpecErrors(errors: [])
  /// Parameters that files add to those of what they extend.
  private(set) var added: [JSONMember] = []
  /// The files that are being read, by their real paths, outermost first.
  private var open: [String] = []
  private var files = 0

  init(root: String) { self.root = root }

  private mutating func fail(_ offset: Int?, _ path: String, _ message: String) {
    errors.add(sources.error(at: offset, root: root, path, message))
  }

  /// The tree of the named file with everything that it extends; nil after an error.
  mutating func read(_ text: [UInt8], path: String) -> JSONNode? {
    let start = sources.add(file: path, text)
    let node: JSONNode
    do {
      node = try DocumentSyntax(path: path).parse(text).shifted(by: start)
    } catch {
      fail(error.offset + start, "", error.message)
      return nil
    }
    guard case .object(let members) = node.value, let extends = members.first(where: { $0.key == "extends" }) else {
      return node
    }
    open.append(Self.realPath(path))
    defer { open.removeLast() }
    var merged: [JSONMember] = []
    for name in names(extends) {
      guard let base = base(name, of: path)?.value.members else { continue }
      merged = Self.merge(merged, base.filter { !Self.own.contains($0.key) }, level: .document)
    }
    let inherited = merged.first { $0.key == "parameters" }?.value
    added += (node.value["parameters"]?.members ?? []).filter { inherited?[$0.key] == nil }
    return JSONNode(.object(Self.merge(merged, members, level: .document)), offset: node.offset)
  }

  private static let own: Set = ["name", "description", "$schema", "extends"]

  /// The paths that `extends` lists.
  private mutating func names(_ member: JSONMember) -> [JSONNode] {
    let nodes: [JSONNode]
    if case .array(let list) = member.value { nodes = list } else { nodes = [member.node] }
    if let wrong = nodes.first(where: { $0.value.string?.isEmpty ?? true }) {
      fail(wrong.offset, "extends", "should be the path of a pipeline file, or a list of paths")
      return []
    }
    return nodes
  }

  /// A file that another one extends; paths are relative to the file that names them.
  private mutating func base(_ name: JSONNode, of path: String) -> JSONNode? {
    let written = name.value.string ?? ""
    let base = written.hasPrefix("/") ? written : "\(ArchivePath.parent(of: path) ?? ".")/\(written)"
    if let start = open.firstIndex(of: Self.realPath(base)) {
      let circle = (open[start...] + [open[start]]).map { ArchivePath.lastPart(of: $0) }
      fail(name.offset, "extends", "the files extend one another in a circle: \(circle.joined(separator: " → "))")
      return nil
    }
    files += 1
    guard open.count < Self.mostDepth, files <= Self.mostFiles else {
      let limit = open.count < Self.mostDepth ? "more than \(Self.mostFiles) files" : "deeper than \(Self.mostDepth)"
      fail(name.offset, "extends", "pipeline files extend others \(limit)")
      return nil
    }
    let text: [UInt8]
    do { text = try FileSystem.read(base, limit: PipelineSpec.mostBytes) } catch {
      fail(name.offset, "extends", "\(base) \(error.message). Paths are relative to the file that names them")
      return nil
    }
    guard let node = read(text, path: base) else { return nil }
    guard case .object = node.value else {
      fail(node.offset, "", "a pipeline file must be an object")
      return nil
    }
    return node
  }

  private static func realPath(_ path: String) -> String {
    guard let absolute = realpath(path, nil) else { return path }
    defer { free(absolute) }
    return String(cString: absolute)
  }

  // MARK: Merging

  private enum Level {
    case document, parameters, stages, stage, options, inputs

    /// The level of a member's own members; nil if its value is replaced as a whole.
    func below(_ key: String) -> Level? {
      switch self {
      case .document: key == "parameters" ? .parameters : key == "stages" ? .stages : nil
      case .stages: .stage
      case .stage: key == "options" ? .options : key == "inputs" ? .inputs : nil
      case .parameters, .options, .inputs: nil
      }
    }

    /// Whether null removes a member.
    var removes: Bool {
      switch self {
      case .stages, .stage, .inputs: true
      case .document, .parameters, .options: false
      }
    }
  }

  private static func merge(_ base: [JSONMember], _ over: [JSONMember], level: Level) -> [JSONMember] {
    var out = base
    var places = Dictionary(base.enumerated().map { (ExactText($1.key), $0) }, uniquingKeysWith: { first, _ in first })
    var removed: Set<Int> = []
    for member in over {
      guard let place = places[ExactText(member.key)] else {
        places[ExactText(member.key)] = out.count
        out.append(member)
        continue
      }
      if level.removes, member.value == .null {
        removed.insert(place)
        continue
      }
      out[place] = merge(out[place], member, level.below(member.key))
    }
    return out.indices.filter { !removed.contains($0) }.map { out[$0] }
  }

  private static func merge(_ base: JSONMember, _ over: JSONMember, _ level: Level?) -> JSONMember {
    guard let level, let old = base.value.members, let new = over.value.members else { return over }
    if level == .stage, let use = over.value["use"], use != base.value["use"] { return over }
    var out = over
    out.node.value = .object(merge(old, new, level: level))
    return out
  }
}

extension JSONNode {
  /// The same values at other places.
  func shifted(by distance: Int) -> JSONNode {
    guard distance != 0 else { return self }
    let value: JSONValue
    switch self.value {
    case .array(let nodes): value = .array(nodes.map { $0.shifted(by: distance) })
    case .object(let members): value = .object(members.map { $0.shifted(by: distance) })
    default: value = self.value
    }
    return JSONNode(value, offset: offset + distance)
  }
}

extension JSONNode {
  /// The same values, all at one place.
  func placed(at offset: Int) -> JSONNode {
    let value: JSONValue
    switch self.value {
    case .array(let nodes): value = .array(nodes.map { $0.placed(at: offset) })
    case .object(let members):
      value = .object(
        members.map { JSONMember($0.key, $0.node.placed(at: offset).value, keyOffset: offset, offset: offset) })
    default: value = self.value
    }
    return JSONNode(value, offset: offset)
  }
}

extension JSONMember {
  func shifted(by distance: Int) -> JSONMember {
    let node = node.shifted(by: distance)
    return JSONMember(key, node.value, keyOffset: keyOffset + distance, offset: node.offset)
  }
}
