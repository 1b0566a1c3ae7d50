public import ShardKit

/// Values for a pipeline file that a profile has: those of a place. Names as after `--set`.
public struct PlaceValues: Sendable {
  /// What they come from, for messages: `profile abci`.
  public var owner: String
  public var values: [JSONMember]

  public init(owner: String, values: [JSONMember]) {
    self.owner = owner
    self.values = values
  }
}

/// A value from outside the file: for a parameter, or at a path such as `stages.dedupe.options.threshold`.
struct SpecOverride {
  enum Value {
    /// As on the command line: its type is that of the parameter or option.
    case text(String)
    case json(JSONValue)
  }

  var name: String
  var value: Value
  /// `--set data`
  var label: String
  /// One of a profile, which serves several pipelines: a name that this one does not have is passed over.
  var isOptional: Bool

  static func all(_ place: PlaceValues?, _ sets: [(name: String, value: String)]) -> [SpecOverride] {
    let placed = (place?.values ?? []).map {
      SpecOverride(name: $0.key, value: .json($0.value), label: "\(place!.owner): \($0.key)", isOptional: true)
    }
    return placed
      + sets.map { SpecOverride(name: $0.name, value: .text($0.value), label: "--set \($0.name)", isOptional: false) }
  }

  /// The value for what is a string, or is read as JSON where possible.
  func value(like old: JSONValue?) -> JSONValue {
    switch value {
    case .json(let value): return value
    case .text(let text):
      if case .string = old { return .string(text) }
      return (try? JSONValue.parse(text).value) ?? .string(text)
    }
  }

  /// The parts of `stages.NAME.KEY.REST`; nil for the name of a parameter. `rest` may have dots.
  var stagePath: (stage: String, key: String, rest: String?)? {
    let parts = name.split(separator: ".", maxSplits: 3, omittingEmptySubsequences: false).map(String.init)
    guard parts.count >= 3, parts[0] == "stages", !parts[1].isEmpty, !parts[2].isEmpty else { return nil }
    return (parts[1], parts[2], parts.count == 4 ? parts[3] : nil)
  }
}

/// Puts a value at a path of a stage's tree.
struct StageOverride {
  let override: SpecOverride
  let key: String
  let rest: String?
  /// Of the value, for messages.
  let offset: Int
  /// Nil where kinds of stages are not known.
  let registry: StageRegistry?

  /// The stage with the value; nil if what stands at the path cannot have members.
  func applied(to stage: JSONNode) -> JSONNode? {
    guard let members = stage.value.members else { return nil }
    let kind = stage.value["use"]?.string.flatMap { registry?[$0] }
    var out = members
    guard let rest else {
      set(key, override.value(like: key == "use" || key == "description" ? "" : nil), in: &out)
      return JSONNode(.object(out), offset: stage.offset)
    }
    let place = out.firstIndex { $0.key.isExactly(key) }
    let inner = place.map { out[$0].value } ?? .object([])
    guard let old = inner.members else { return nil }
    let changed = JSONValue.object(setting(rest, in: old, kind))
    if let place { out[place].node.value = changed } else { set(key, changed, in: &out) }
    return JSONNode(.object(out), offset: stage.offset)
  }

  /// The longest name that is there counts, so that names may have dots.
  private func setting(_ name: String, in members: [JSONMember], _ kind: StageDescription?) -> [JSONMember] {
    var out = members
    if !out.contains(where: { $0.key.isExactly(name) }),
      let (place, rest) = self.place(of: name, in: out), let inner = out[place].value.members
    {
      out[place].node.value = .object(setting(rest, in: inner, nil))
      return out
    }
    // A member of an object that is not written, such as caps.news: the option's name ends at the first dot.
    if let kind, key == "options", let dot = name.firstIndex(of: "."), kind.hasOption(String(name[..<dot])) {
      var inner: [JSONMember] = []
      set(String(name[name.index(after: dot)...]), override.value(like: nil), in: &inner)
      set(String(name[..<dot]), .object(inner), in: &out)
      return out
    }
    let old = out.first { $0.key.isExactly(name) }?.value
    set(name, typed(name, old, kind), in: &out)
    return out
  }

  private func place(of name: String, in members: [JSONMember]) -> (place: Int, rest: String)? {
    let found = members.indices.filter {
      name.hasPrefix(members[$0].key + ".") && members[$0].value.members != nil
    }.max { members[$0].key.utf8.count < members[$1].key.utf8.count }
    return found.map { ($0, String(name.dropFirst(members[$0].key.count + 1))) }
  }

  /// The text as the option takes it: as JSON if it does, else as a string.
  private func typed(_ name: String, _ old: JSONValue?, _ kind: StageDescription?) -> JSONValue {
    guard case .text(let text) = override.value, key == "options", let kind, kind.hasOption(name) else {
      return override.value(like: nil)
    }
    // A parameter stands for any type.
    if text.contains("${") { return override.value(like: nil) }
    let json = override.value(like: nil)
    if case .string = json { return .string(text) }
    return kind.accepts(json, for: name) || !kind.accepts(.string(text), for: name) ? json : .string(text)
  }

  private func set(_ key: String, _ value: JSONValue, in members: inout [JSONMember]) {
    let member = JSONMember(key, value, keyOffset: offset, offset: offset)
    if let place = members.firstIndex(where: { $0.key.isExactly(key) }) {
      members[place] = member
    } else {
      members.append(member)
    }
  }
}
