public import ShardKit

/// Values for a pipeline file that a profile has: those of a place. Names as after `--set`.
public struct PlaceValues: Sendable {
  /// The profile's file.
  public var file: String
  public var text: [UInt8]
  /// What they are in the file: `profiles.abci.values`.
  public var path: String
  /// With their offsets in the text.
  public var values: [JSONMember]

  public init(file: String, text: [UInt8], path: String, values: [JSONMember]) {
    self.file = file
    self.text = text
    self.path = path
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
  /// `--set data`, `profiles.abci.values.data`
  var label: String
  /// Of the name and of the value: where a profile has them, or a place of their own.
  var keyOffset: Int
  var offset: Int
  /// Of a profile, the names that it has: it serves several pipelines, so one that this pipeline does not have is passed
  /// over unless it looks like a mistake. Nil for `--set`.
  var companions: [String]?

  /// Those of a place, then those of `--set`, which replace them. Their places are added to the sources.
  static func all(
    _ place: PlaceValues?, _ sets: [(name: String, value: String)], in sources: inout SourceMap
  ) -> [SpecOverride] {
    var out: [SpecOverride] = []
    if let place {
      let start = sources.add(file: place.file, place.text)
      let names = place.values.map(\.key)
      for member in place.values.map({ $0.shifted(by: start) }) {
        out.append(
          SpecOverride(
            name: member.key, value: .json(member.value), label: "\(place.path).\(member.key)",
            keyOffset: member.keyOffset, offset: member.node.offset, companions: names))
      }
    }
    for (name, value) in sets {
      let offset = sources.add(value: "--set \(name)")
      out.append(
        SpecOverride(
          name: name, value: .text(value), label: "--set \(name)", keyOffset: offset, offset: offset, companions: nil))
    }
    return out
  }

  /// The value for what is a string, or is read as JSON where possible.
  func value(like old: JSONValue?) -> JSONValue {
    switch value {
    case .json(let value): return value
    case .text(let text):
      if case .string = old { return .string(text) }
      guard let read = try? JSONValue.parse(text) else { return .string(text) }
      return read.placed(at: offset).value
    }
  }

  /// Whether an unknown name of a parameter or stage may be one of other pipelines: it is no slip of the pen for a known
  /// one that the profile does not name too.
  func isForOthers(_ name: String, among known: [String]) -> Bool {
    guard let companions else { return false }
    return !known.prefix(256).contains { known in
      isSlip(name, for: known)
        && !companions.contains { $0.isExactly(known) || $0.hasPrefix("stages.\(known).") }
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
    let member = JSONMember(key, value, keyOffset: override.keyOffset, offset: override.offset)
    if let place = members.firstIndex(where: { $0.key.isExactly(key) }) {
      members[place] = member
    } else {
      members.append(member)
    }
  }
}
