import Glibc
import ShardKit

extension PipelineSpec {
  static let topKeys = ["$schema", "format", "name", "description", "parameters", "stages"]
  static let stageKeys = ["use", "description", "options", "inputs", "retries", "timeoutSeconds", "mayBeEmpty"]

  /// Reads a pipeline file and substitutes its parameters.
  /// - Parameter overrides: `--set` values by parameter name.
  /// - Throws: `SpecErrors`, with every problem found, if it cannot be read or is not a pipeline file.
  public static func load(
    _ path: String, overrides: [(name: String, value: String)] = []
  ) throws(SpecErrors) -> PipelineSpec {
    let text: [UInt8]
    do throws(ShardError) {
      text = try FileSystem.read(path, limit: 64 << 20)
    } catch {
      throw SpecErrors(errors: [
        SpecError(file: path, jsonPath: "", message: "\(error.message). \(error.hint ?? "")")
      ])
    }
    return try parse(text, path: path, overrides: overrides)
  }

  /// Reads the text of a pipeline file and substitutes its parameters.
  /// - Throws: `SpecErrors`, with every problem found, if it is not JSON or not a pipeline file.
  public static func parse(
    _ text: [UInt8], path: String, overrides: [(name: String, value: String)] = []
  ) throws(SpecErrors) -> PipelineSpec {
    var document = PipelineSpec(
      path: path, folder: folder(of: path), name: "", parameters: [], stages: [], lines: LineTable(text))
    var reading = SpecReading(document: document)
    do throws(JSONSyntaxError) {
      let root = try JSONValue.parse(text)
      document = reading.read(root, overrides: overrides)
    } catch {
      throw SpecErrors(errors: [document.error(at: error.offset, "", error.message)])
    }
    guard reading.errors.errors.isEmpty else { throw reading.errors }
    return document
  }

  private static func folder(of path: String) -> String {
    let parent = ArchivePath.parent(of: path) ?? "."
    guard let absolute = realpath(parent, nil) else { return parent }
    defer { free(absolute) }
    return String(cString: absolute)
  }
}

/// Collects all errors instead of stopping at the first.
private struct SpecReading {
  var document: PipelineSpec
  var errors = SpecErrors(errors: [])
  /// Indices of the parameters by name.
  private var places: [ExactText: Int] = [:]
  /// Bytes inserted for parameters.
  private var expandedBytes = 0
  /// By index: the parameter as text.
  private var texts: [Int: String] = [:]

  init(document: PipelineSpec) { self.document = document }

  mutating func fail(_ offset: Int?, _ path: @autoclosure () -> String, _ message: @autoclosure () -> String) {
    errors.add(document.error(at: offset, path(), message()))
  }

  mutating func read(_ root: JSONNode, overrides: [(name: String, value: String)]) -> PipelineSpec {
    guard case .object(let members) = root.value else {
      fail(root.offset, "", "a pipeline file must be a JSON object with \"format\", \"name\" and \"stages\"")
      return document
    }
    checkKeys(members, PipelineSpec.topKeys, "")
    readFormat(members, root)
    document.name = string("name", in: members, "name") ?? defaultName
    readParameters(members.first { $0.key == "parameters" }, overrides)
    guard let stages = members.first(where: { $0.key == "stages" }) else {
      fail(root.offset, "", "the key \"stages\" is missing")
      return document
    }
    guard case .object(let entries) = stages.value, !entries.isEmpty else {
      fail(stages.node.offset, "stages", "should be an object with at least one stage")
      return document
    }
    for entry in entries { readStage(entry) }
    return document
  }

  private var defaultName: String {
    let file = ArchivePath.lastPart(of: document.path)
    if file.isEmpty { return "pipeline" }
    return file.hasSuffix(".json") ? String(file.dropLast(5)) : file
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

  private mutating func readParameters(_ member: JSONMember?, _ overrides: [(name: String, value: String)]) {
    if let member {
      guard case .object(let entries) = member.value else {
        return fail(member.node.offset, "parameters", "should be an object of names and values")
      }
      document.parameters = entries.map { ($0.key, $0.value) }
    }
    for (name, value) in overrides {
      guard let index = document.parameters.firstIndex(where: { $0.name.isExactly(name) }) else {
        let known = document.parameters.map(\.name)
        fail(nil, "--set \(name)", "the pipeline file has no parameter '\(name)'" + suggestion(for: name, among: known))
        continue
      }
      document.parameters[index].value = parsed(value, like: document.parameters[index].value)
    }
    for (place, parameter) in document.parameters.enumerated().reversed() { places[ExactText(parameter.name)] = place }
  }

  /// The maximum total size of all inserted parameters.
  private static let mostExpandedBytes = 64 << 20

  /// A parameter as text, within the size limit.
  private mutating func text(ofParameter place: Int) -> String? {
    let text = texts[place] ?? document.parameters[place].value.string ?? document.parameters[place].value.text()
    texts[place] = text
    expandedBytes += text.utf8.count
    return expandedBytes <= Self.mostExpandedBytes ? text : nil
  }

  /// A string parameter takes the text unchanged; others are parsed as JSON if possible.
  private func parsed(_ text: String, like old: JSONValue) -> JSONValue {
    if case .string = old { return .string(text) }
    return (try? JSONValue.parse(text).value) ?? .string(text)
  }

  private mutating func substitute(_ node: JSONNode, _ path: String) -> JSONNode {
    switch node.value {
    case .string(let text):
      return JSONNode(substitute(text, node.offset, path), offset: node.offset)
    case .array(let nodes):
      var out: [JSONNode] = []
      for (i, child) in nodes.enumerated() { out.append(substitute(child, "\(path)[\(i)]")) }
      return JSONNode(.array(out), offset: node.offset)
    case .object(let members):
      var out: [JSONMember] = []
      for member in members {
        var copy = member
        copy.node = substitute(member.node, "\(path).\(member.key)")
        out.append(copy)
      }
      return JSONNode(.object(out), offset: node.offset)
    default: return node
    }
  }

  /// `${name}` alone is replaced by the parameter's value with its type; within a text, by its text; `$${` is a literal
  /// `${`.
  private mutating func substitute(_ text: String, _ offset: Int, _ path: String) -> JSONValue {
    guard text.utf8.contains(0x24), expandedBytes <= Self.mostExpandedBytes else { return .string(text) }
    var out = ""
    var rest = text[...]
    while let dollar = rest.firstIndex(of: "$") {
      out += rest[..<dollar]
      rest = rest[dollar...]
      if rest.hasPrefix("$${") {
        out += "${"
        rest = rest.dropFirst(3)
        continue
      }
      guard rest.hasPrefix("${"), let close = rest.firstIndex(of: "}") else {
        out += "$"
        rest = rest.dropFirst()
        continue
      }
      let name = String(rest[rest.index(rest.startIndex, offsetBy: 2)..<close])
      guard let place = places[ExactText(name)] else {
        let parameters = document.parameters
        fail(
          offset, path, "there is no parameter '\(name)'" + suggestion(for: name, among: parameters.map(\.name)))
        return .string(text)
      }
      guard let value = self.text(ofParameter: place) else {
        fail(
          offset, path,
          "with its parameters inserted, the pipeline file is larger than \(Self.mostExpandedBytes >> 20) MiB")
        return .string("")
      }
      if text.isExactly("${\(name)}") { return document.parameters[place].value }
      out += value
      rest = rest[rest.index(after: close)...]
    }
    return .string(out + rest)
  }

  // MARK: Stages

  private mutating func readStage(_ entry: JSONMember) {
    let path = "stages.\(entry.key)"
    let nameIsGood =
      !entry.key.isEmpty
      && entry.key.utf8.allSatisfy {
        ($0 | 32 >= 97 && $0 | 32 <= 122) || ($0 >= 48 && $0 <= 57) || $0 == 45 || $0 == 95
      }
    if !nameIsGood {
      fail(entry.keyOffset, path, "a stage name must consist of letters, digits, '-' and '_'")
    }
    guard case .object(let members) = entry.value else {
      return fail(entry.node.offset, path, "should be an object with \"use\", \"options\" and \"inputs\"")
    }
    checkKeys(members, PipelineSpec.stageKeys, path)
    guard let use = members.first(where: { $0.key == "use" }) else {
      return fail(entry.node.offset, path, "the key \"use\" is missing: it names the stage kind")
    }
    guard let kind = use.value.string else { return fail(use.node.offset, "\(path).use", "should be a string") }
    var stage = PipelineSpec.Stage(
      name: entry.key, nameOffset: entry.keyOffset, use: kind, useOffset: use.node.offset, options: [],
      optionsOffset: entry.node.offset, inputs: [], retries: 0, timeoutSeconds: nil)
    for member in members {
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
      default: break
      }
    }
    document.stages.append(stage)
  }

  private mutating func readOptions(_ member: JSONMember, into stage: inout PipelineSpec.Stage, _ path: String) {
    let node = substitute(member.node, path)
    guard case .object(let options) = node.value else {
      return fail(member.node.offset, path, "should be an object, not \(node.value.typeName)")
    }
    stage.options = options
    stage.optionsOffset = member.node.offset
  }

  private mutating func readInputs(_ member: JSONMember, into stage: inout PipelineSpec.Stage, _ path: String) {
    guard case .object(let ports) = member.value else {
      return fail(member.node.offset, path, "should be an object of port names and stage names")
    }
    for port in ports {
      let nodes: [JSONNode]
      if case .array(let list) = port.value { nodes = list } else { nodes = [port.node] }
      var sources: [PipelineSpec.InputReference.Source] = []
      for node in nodes {
        guard let text = node.value.string else {
          fail(node.offset, "\(path).\(port.key)", "should be a stage name or a list of stage names")
          continue
        }
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        sources.append(.init(stage: parts[0], port: parts.count > 1 ? parts[1] : nil, offset: node.offset))
      }
      stage.inputs.append(.init(port: port.key, portOffset: port.keyOffset, sources: sources))
    }
  }
}
