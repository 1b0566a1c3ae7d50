import Glibc
import ShardKit

extension PipelineSpec {
  static let topKeys = ["$schema", "extends", "format", "name", "description", "passes", "parameters", "stages"]
  static let stageKeys = [
    "use", "foreach", "description", "options", "inputs", "retries", "timeoutSeconds", "mayBeEmpty",
    "keep",
  ]
  /// The largest pipeline file.
  public static let mostBytes = 64 << 20

  /// Reads a pipeline file and what it extends, repeats stages for `foreach`, and substitutes parameters.
  /// - Parameters:
  ///   - overrides: `--set` values by parameter name, or by path: `stages.dedupe.options.threshold`.
  ///   - place: values of a profile, which `overrides` replace.
  ///   - registry: gives overrides at paths the types of their options; without it they are read as JSON if possible.
  /// - Throws: `SpecErrors`, with every problem found, if it cannot be read or is not a pipeline file.
  public static func load(
    _ path: String, overrides: [(name: String, value: String)] = [], place: PlaceValues? = nil,
    registry: StageRegistry? = nil
  ) throws(SpecErrors) -> PipelineSpec {
    let text: [UInt8]
    do throws(ShardError) {
      text = try FileSystem.read(path, limit: mostBytes)
    } catch {
      throw SpecErrors(errors: [
        SpecError(file: path, jsonPath: "", message: "\(error.message). \(error.hint ?? "")")
      ])
    }
    return try parse(text, path: path, overrides: overrides, place: place, registry: registry)
  }

  /// Reads the text of a pipeline file, as `load` does. Its syntax is told by the ending of the path.
  /// - Throws: `SpecErrors`, with every problem found, if it is not a pipeline file.
  public static func parse(
    _ text: [UInt8], path: String, overrides: [(name: String, value: String)] = [], place: PlaceValues? = nil,
    registry: StageRegistry? = nil
  ) throws(SpecErrors) -> PipelineSpec {
    var composition = DocumentComposition(root: path)
    guard let root = composition.read(text, path: path), composition.errors.errors.isEmpty else {
      throw composition.errors
    }
    var reading = SpecReading(
      document: PipelineSpec(path: path, sources: composition.sources), added: composition.added, registry: registry)
    let document = reading.read(root, SpecOverride.all(place, overrides, in: &reading.document.sources))
    guard reading.errors.errors.isEmpty else { throw reading.errors.gathered }
    return document
  }

  public static func folder(of path: String) -> String {
    let parent = ArchivePath.parent(of: path) ?? "."
    guard let absolute = realpath(parent, nil) else { return parent }
    defer { free(absolute) }
    return String(cString: absolute)
  }
}

/// Collects all errors instead of stopping at the first.
private struct SpecReading {
  var document: PipelineSpec
  /// Parameters that are not those of what the file extends.
  let added: [JSONMember]
  let registry: StageRegistry?
  /// The names of all stages, and whether the file extends others.
  private var stageNames: [String] = []
  private var extendsOthers = false
  var errors = SpecErrors(errors: [])
  private var substitution = Substitution(parameters: [])

  /// A stage as it is read: written, or made by `foreach`.
  private struct Entry {
    var member: JSONMember
    var scope: [Substitution.Variable] = []
  }

  init(document: PipelineSpec, added: [JSONMember], registry: StageRegistry?) {
    self.document = document
    self.added = added
    self.registry = registry
  }

  mutating func fail(_ offset: Int?, _ path: @autoclosure () -> String, _ message: @autoclosure () -> String) {
    errors.add(document.error(at: offset, path(), message()))
  }

  mutating func read(_ root: JSONNode, _ overrides: [SpecOverride]) -> PipelineSpec {
    guard case .object(let members) = root.value else {
      fail(root.offset, "", "a pipeline file must be a JSON object with \"format\", \"name\" and \"stages\"")
      return document
    }
    checkKeys(members, PipelineSpec.topKeys, "")
    readFormat(members, root)
    document.name = string("name", in: members, "name") ?? defaultName
    if let passes = members.first(where: { $0.key == "passes" }) {
      if passes.value.bool == nil { fail(passes.node.offset, "passes", "should be true or false") }
      document.passes = passes.value.bool ?? false
    }
    let inStages = readParameters(members.first { $0.key == "parameters" }, overrides)
    guard let stages = members.first(where: { $0.key == "stages" }) else {
      fail(root.offset, "", "the key \"stages\" is missing")
      return document
    }
    guard case .object(var entries) = stages.value, !entries.isEmpty else {
      fail(stages.node.offset, "stages", "should be an object with at least one stage")
      return document
    }
    extendsOthers = members.contains { $0.key == "extends" }
    stageNames = entries.map(\.key)
    let left = apply(inStages, to: &entries)
    var expanded = expand(entries)
    refuse(apply(left, to: &expanded), among: entries.map(\.key) + expanded.map(\.member.key))
    for entry in expanded { readStage(entry) }
    // A value from outside may have replaced the only one that used a parameter.
    if inStages.isEmpty { refuseUnused() }
    return document
  }

  private var defaultName: String {
    let name = DocumentSyntax.stem(of: document.path)
    return name.isEmpty ? "pipeline" : name
  }

  private mutating func readFormat(_ members: [JSONMember], _ root: JSONNode) {
    guard let format = members.first(where: { $0.key == "format" }) else {
      return fail(root.offset, "", "the key \"format\" is missing; write \"format\": 1")
    }
    guard let number = format.value.integer, number >= 1 else {
      return fail(format.node.offset, "format", "should be 1")
    }
    if number > 1 {
      fail(
        format.node.offset, "format",
        "format \(number) is newer than this version of pipeline supports (1); update pipeline")
    }
  }

  private mutating func checkKeys(_ members: [JSONMember], _ known: [String], _ path: String) {
    for member in members where !known.contains(member.key) {
      fail(
        member.keyOffset, path.isEmpty ? member.key : "\(path).\(member.key)",
        "unknown key '\(member.key)'" + suggestion(for: member.key, among: known.filter { $0 != "$schema" }))
    }
  }

  private mutating func string(_ key: String, in members: [JSONMember], _ path: String) -> String? {
    guard let member = members.first(where: { $0.key == key }) else { return nil }
    guard let value = member.value.string else {
      fail(member.node.offset, path, "should be a string, not \(member.value.typeName)")
      return nil
    }
    return value
  }

  // MARK: Parameters

  /// - Returns: the overrides that name no parameter but a path.
  private mutating func readParameters(_ member: JSONMember?, _ overrides: [SpecOverride]) -> [SpecOverride] {
    var parameters: [(name: String, value: JSONValue)] = []
    var paths: [SpecOverride] = []
    if let member {
      guard case .object(let entries) = member.value else {
        fail(member.node.offset, "parameters", "should be an object of names and values")
        return []
      }
      parameters = entries.map { ($0.key, $0.value) }
    }
    for override in overrides {
      if let index = parameters.firstIndex(where: { $0.name.isExactly(override.name) }) {
        parameters[index].value = override.value(like: parameters[index].value)
      } else if override.stagePath != nil {
        paths.append(override)
      } else {
        refuse(override, among: parameters.map(\.name))
      }
    }
    document.parameters = parameters
    substitution = Substitution(parameters: parameters)
    return paths
  }

  private mutating func refuse(_ override: SpecOverride, among known: [String]) {
    if override.name == "stages" || override.name.hasPrefix("stages.") {
      return fail(
        override.keyOffset, override.label,
        "names no value of a stage: write stages.STAGE.options.OPTION=VALUE, or stages.STAGE.KEY")
    }
    guard !override.isForOthers(override.name, among: known) else { return }
    let found = suggestion(for: override.name, among: known)
    let isPath = override.name.contains(".") && !found.hasPrefix(". Did")
    fail(
      override.keyOffset, override.label,
      "the pipeline file has no parameter '\(override.name)'"
        + (isPath ? "; a value of a stage is named stages.STAGE.options.OPTION" : found))
  }

  /// What a file adds to the parameters of others has to be of use to it.
  private mutating func refuseUnused() {
    // What is broken elsewhere may be what uses it.
    guard errors.errors.isEmpty else { return }
    for member in added where !substitution.hasUsed(member.key) {
      let others = document.parameters.map(\.name).filter { !$0.isExactly(member.key) }
      fail(
        member.keyOffset, "parameters.\(member.key)",
        "nothing uses this parameter, and what the file extends has none of this name"
          + suggestion(for: member.key, among: others))
    }
  }

  private mutating func substitute(_ node: JSONNode, _ path: String, _ scope: [Substitution.Variable]) -> JSONNode {
    var found: [(Int, String, String)] = []
    let node = substitution.substitute(node, path, scope) { found.append(($0, $1, $2)) }
    for (offset, path, message) in found { fail(offset, path, message) }
    return node
  }

  // MARK: Overrides and foreach

  /// Puts values at the paths of these stages.
  /// - Returns: the overrides of other stages.
  private mutating func apply(_ overrides: [SpecOverride], to entries: inout [JSONMember]) -> [SpecOverride] {
    overrides.filter { override in
      let stage = override.stagePath!.stage
      guard let place = entries.firstIndex(where: { $0.key.isExactly(stage) }) else { return true }
      entries[place].node = applied(override, to: entries[place].node)
      return false
    }
  }

  private mutating func apply(_ overrides: [SpecOverride], to entries: inout [Entry]) -> [SpecOverride] {
    overrides.filter { override in
      let stage = override.stagePath!.stage
      guard let place = entries.firstIndex(where: { $0.member.key.isExactly(stage) }) else { return true }
      entries[place].member.node = applied(override, to: entries[place].member.node)
      return false
    }
  }

  private mutating func applied(_ override: SpecOverride, to stage: JSONNode) -> JSONNode {
    let path = override.stagePath!
    let change = StageOverride(override: override, key: path.key, rest: path.rest, registry: registry)
    guard let changed = change.applied(to: stage) else {
      fail(override.keyOffset, override.label, "what stands there is no object, so it has no members to set")
      return stage
    }
    return changed
  }

  private mutating func refuse(_ overrides: [SpecOverride], among known: [String]) {
    for override in overrides {
      let stage = override.stagePath!.stage
      guard !override.isForOthers(stage, among: known) else { continue }
      fail(
        override.keyOffset, override.label, "no stage is named '\(stage)'" + suggestion(for: stage, among: known))
    }
  }

  private mutating func expand(_ entries: [JSONMember]) -> [Entry] {
    var taken = Set(entries.map { ExactText($0.key) })
    return entries.flatMap { entry -> [Entry] in
      guard let foreach = entry.node.value.members?.first(where: { $0.key == "foreach" }) else {
        return [Entry(member: entry)]
      }
      return expand(entry, foreach, &taken)
    }
  }

  /// The stages `NAME-KEY` of an entry with `foreach`.
  private mutating func expand(_ entry: JSONMember, _ foreach: JSONMember, _ taken: inout Set<ExactText>) -> [Entry] {
    let path = "stages.\(entry.key).foreach"
    let known = errors.errors.count
    let list = substitute(foreach.node, path, [])
    guard errors.errors.count == known else { return [] }
    let items: [Foreach.Item]
    do throws(Foreach.Problem) {
      items = try Foreach(folder: document.folder).items(list)
    } catch {
      fail(error.offset, path, error.message)
      return []
    }
    var made: [Entry] = []
    for (number, item) in items.enumerated() {
      let shift = document.sources.expand("item \(number + 1) of foreach, \"\(item.shown.prefix(80))\"")
      var member = entry.shifted(by: shift)
      member.key = "\(entry.key)-\(item.key)"
      member.node.value = .object((member.value.members ?? []).filter { $0.key != "foreach" })
      if !taken.insert(ExactText(member.key)).inserted {
        fail(item.offset, path, "makes a second stage named '\(member.key)'; rename one of them")
      }
      made.append(Entry(member: member, scope: item.scope))
    }
    document.groups.append(.init(name: entry.key, stages: made.map(\.member.key)))
    return made
  }

  // MARK: Stages

  private static let substituted: Set = ["options", "inputs", "retries", "timeoutSeconds", "mayBeEmpty", "keep"]

  private mutating func readStage(_ read: Entry) {
    let entry = read.member
    let path = "stages.\(entry.key)"
    if entry.key.isEmpty || !entry.key.utf8.allSatisfy(Foreach.isNameByte) {
      fail(entry.keyOffset, path, "a stage name must consist of letters, digits, '-' and '_'")
    }
    guard case .object(let members) = entry.value else {
      let unknown = unknownInBase(entry.key, "to remove")
      if extendsOthers, entry.value == .null { return fail(entry.keyOffset, path, unknown) }
      return fail(entry.node.offset, path, "should be an object with \"use\", \"options\" and \"inputs\"")
    }
    let use = members.first { $0.key == "use" }
    checkStageKeys(members, use?.value.string.flatMap { registry?[$0] }, path)
    guard let use else {
      let base = extendsOthers ? "; \(unknownInBase(entry.key, "to change"))" : ""
      return fail(entry.node.offset, path, "the key \"use\" is missing: it names the stage kind\(base)")
    }
    guard let kind = use.value.string else { return fail(use.node.offset, "\(path).use", "should be a string") }
    var stage = PipelineSpec.Stage(
      name: entry.key, nameOffset: entry.keyOffset, use: kind, useOffset: use.node.offset, options: [],
      optionsOffset: entry.node.offset, inputs: [], retries: 0, timeoutSeconds: nil)
    for written in members where Self.substituted.contains(written.key) {
      var member = written
      member.node = substitute(written.node, "\(path).\(written.key)", read.scope)
      switch member.key {
      case "options": readOptions(member, into: &stage, "\(path).options")
      case "inputs": readInputs(member, into: &stage, "\(path).inputs")
      case "retries":
        guard let retries = member.value.integer, (0...100).contains(retries) else {
          fail(member.node.offset, "\(path).retries", "should be an integer between 0 and 100")
          break
        }
        stage.retries = retries
      case "timeoutSeconds":
        guard let seconds = member.value.double, seconds > 0, seconds <= TaskControl.longest else {
          fail(member.node.offset, "\(path).timeoutSeconds", "should be a number above 0 and at most 1000000000")
          break
        }
        stage.timeoutSeconds = seconds
      case "mayBeEmpty":
        guard let mayBeEmpty = member.value.bool else {
          fail(member.node.offset, "\(path).mayBeEmpty", "should be true or false")
          break
        }
        stage.mayBeEmpty = mayBeEmpty
      case "keep":
        guard let keeps = member.value.bool else {
          fail(member.node.offset, "\(path).keep", "should be true or false")
          break
        }
        stage.keeps = keeps
      default: break
      }
    }
    document.stages.append(stage)
  }

  private func unknownInBase(_ stage: String, _ purpose: String) -> String {
    "what the file extends has no stage '\(stage)' \(purpose)"
      + suggestion(for: stage, among: stageNames.filter { !$0.isExactly(stage) })
  }

  private mutating func checkStageKeys(_ members: [JSONMember], _ kind: StageDescription?, _ path: String) {
    checkKeys(members.filter { !(kind?.hasOption($0.key) ?? false) }, PipelineSpec.stageKeys, path)
    for member in members where !PipelineSpec.stageKeys.contains(member.key) {
      guard let kind, kind.hasOption(member.key) else { continue }
      fail(
        member.keyOffset, "\(path).\(member.key)",
        "unknown key '\(member.key)'; it is an option of '\(kind.name)', so it stands in \"options\"")
    }
  }

  private mutating func readOptions(_ member: JSONMember, into stage: inout PipelineSpec.Stage, _ path: String) {
    guard case .object(let options) = member.value else {
      return fail(member.node.offset, path, "should be an object, not \(member.value.typeName)")
    }
    stage.options = options
    stage.optionsOffset = member.node.offset
  }

  private mutating func readInputs(_ member: JSONMember, into stage: inout PipelineSpec.Stage, _ path: String) {
    guard case .object(let ports) = member.value else {
      return fail(member.node.offset, path, "should be an object of port names and stage names")
    }
    var reading = InputReading(groups: document.groups)
    for port in ports {
      let sources = reading.sources(of: port, "\(path).\(port.key)")
      stage.inputs.append(.init(port: port.key, portOffset: port.keyOffset, sources: sources))
    }
    for problem in reading.problems { fail(problem.offset, problem.path, problem.message) }
  }
}
