import Glibc
public import ShardKit

/// A file with the profiles of one or several sites: `{"format": 1, "profiles": {"default": {…}}}`.
public enum ProfileFile {
  /// Where it stands unless the user names one: beside the pipeline file, else in the user's configuration.
  public static let name = "pipeline-profile.json"

  /// The first of: the named file, `$PIPELINE_PROFILE`, the pipeline file's folder, `~/.config/pipeline`.
  /// - Throws: `RunError` (`.notFound`) if there is none.
  public static func find(_ named: String?, beside folder: String) throws(RunError) -> String {
    if let found = implied(named, beside: folder) { return found }
    let places = places(folder).map { "\($0)/\(name)" }
    throw RunError(
      .notFound, "no profile says where jobs go: neither \(places.joined(separator: " nor ")) exists",
      hint: "Write one with `pipeline profile init`, or name one with --profile.")
  }

  private static func implied(_ named: String?, beside folder: String) -> String? {
    if let named { return named }
    if let variable = getenv("PIPELINE_PROFILE").map({ String(cString: $0) }), !variable.isEmpty { return variable }
    let stem = DocumentSyntax.stem(of: name)
    return places(folder).flatMap { place in DocumentSyntax.endings.map { "\(place)/\(stem)\($0)" } }
      .first(where: FileSystem.exists)
  }

  private static func places(_ folder: String) -> [String] {
    let home = getenv("HOME").map { String(cString: $0) } ?? ""
    return [folder, "\(home)/.config/pipeline"]
  }

  /// - Parameter profile: the profile's name; nil for the only one, or the one named `default`.
  /// - Throws: `SpecErrors` with every problem of the file.
  public static func load(_ path: String, profile: String? = nil) throws -> SiteProfile {
    try parse(try read(path), path: path, profile: profile)
  }

  /// What a place says about pipeline files: the member `values` of its profile.
  /// - Parameters:
  ///   - named: the profile's file and name, as given on the command line.
  ///   - folder: the pipeline file's.
  /// - Returns: nil if no profile is named and there is none, or no one of several is named `default`.
  /// - Throws: `SpecErrors` with every problem of the file; `RunError` (`.notFound`) if a profile is named and no file
  ///   is found.
  public static func values(
    _ named: (file: String?, name: String?), beside folder: String
  ) throws -> PlaceValues? {
    guard named.name == nil, named.file == nil else {
      let path = try find(named.file, beside: folder)
      return try Section(try read(path), path: path, profile: named.name).values
    }
    guard let path = implied(nil, beside: folder) else { return nil }
    let text = try read(path)
    guard try Section.names(text, path: path).count == 1 || Section.names(text, path: path).contains("default") else {
      return nil
    }
    return try Section(text, path: path, profile: nil).values
  }

  private static func read(_ path: String) throws(SpecErrors) -> [UInt8] {
    do throws(ShardError) { return try FileSystem.read(path, limit: 4 << 20) } catch {
      throw SpecErrors(errors: [SpecError(file: path, jsonPath: "", message: "\(error.message). \(error.hint ?? "")")])
    }
  }

  static func parse(_ text: [UInt8], path: String, profile: String?) throws -> SiteProfile {
    let section = try Section(text, path: path, profile: profile)
    _ = try section.values
    var issues = OptionIssues(issues: []), notices: [OptionIssue] = []
    let options = section.members.filter { $0.key != "values" }
    let fields = FieldReading(owner: "the profile", fields: SiteProfile.fields).read(options, &issues, &notices)
    var errors = issues.issues.map { issue in
      section.place.error(at: issue.offset, section.path + (issue.option.map { ".\($0)" } ?? ""), issue.message)
    }
    var profile = SiteProfile(fields: fields)
    if profile.executor == .ssh, !profile.hostsFile.isEmpty {
      do throws(ShardError) { profile.hosts.merge(try hosts(profile.hostsFile)) { own, _ in own } } catch {
        errors += section.error(section.offset, "hostsFile: \(error)").errors
      }
    }
    let broken = Set(issues.issues.compactMap(\.option))
    for (option, message) in problems(profile) where !broken.contains(option) {
      errors += section.error(section.offset, message).errors
    }
    guard errors.isEmpty else { throw SpecErrors(errors: errors) }
    return profile
  }

  /// How often each host stands in a file: `node1`, or Grid Engine's `node1 16 all.q@node1 UNDEFINED`.
  /// - Parameter name: a path, or `$` and the name of the variable that has it.
  static func hosts(_ name: String) throws(ShardError) -> [String: Int] {
    var path = name
    if name.hasPrefix("$") {
      path = getenv(String(name.dropFirst())).map { String(cString: $0) } ?? ""
      guard !path.isEmpty else {
        throw ShardError(.notFound, name, "is not set", hint: "Start the run inside an allocation.")
      }
    }
    var hosts: [String: Int] = [:]
    for line in try FileSystem.read(path, limit: 1 << 24).split(separator: 10) {
      // Blanks, tabs, and the other half of a line end.
      let words = line.split(whereSeparator: { [32, 9, 13].contains($0) }).map { String(decoding: $0, as: UTF8.self) }
      guard let host = words.first, !host.hasPrefix("#") else { continue }
      hosts[host, default: 0] += words.count > 1 ? max(1, Int(words[1]) ?? 1) : 1
    }
    return hosts
  }

  /// One profile of a file, as written.
  private struct Section {
    let place: PipelineSpec
    let text: [UInt8]
    let name: String
    let offset: Int
    let members: [JSONMember]

    /// `profiles.default`
    var path: String { "profiles.\(name)" }

    init(_ text: [UInt8], path: String, profile: String?) throws(SpecErrors) {
      let (place, list) = try Self.profiles(text, path: path)
      let profiles = list.value.members ?? []
      let wanted = profile ?? (profiles.count == 1 ? profiles[0].key : "default")
      guard let found = profiles.first(where: { $0.key == wanted }) else {
        let advice =
          profile == nil
          ? "several profiles and none named 'default': choose one with --profile" : "no profile '\(wanted)'"
        throw SpecErrors(errors: [
          place.error(at: list.keyOffset, "profiles", advice + suggestion(for: wanted, among: profiles.map(\.key)))
        ])
      }
      guard let options = found.value.members else {
        throw SpecErrors(errors: [
          place.error(
            at: found.node.offset, "profiles.\(wanted)", "should be an object, not \(found.value.typeName)")
        ])
      }
      self.place = place
      self.text = text
      name = wanted
      offset = found.keyOffset
      members = options
    }

    /// The names of a file's profiles.
    static func names(_ text: [UInt8], path: String) throws(SpecErrors) -> [String] {
      (try profiles(text, path: path).list.value.members ?? []).map(\.key)
    }

    private static func profiles(
      _ text: [UInt8], path: String
    ) throws(SpecErrors) -> (place: PipelineSpec, list: JSONMember) {
      var sources = SourceMap()
      _ = sources.add(file: path, text)
      let place = PipelineSpec(path: path, sources: sources)
      func error(_ offset: Int?, _ key: String, _ message: String) -> SpecErrors {
        SpecErrors(errors: [place.error(at: offset, key, message)])
      }
      let root: JSONNode
      do { root = try DocumentSyntax(path: path).parse(text) } catch {
        throw SpecErrors(errors: [place.error(at: error.offset, "", error.message)])
      }
      guard let members = root.value.members, let format = root.value["format"], format == .integer(1) else {
        throw error(root.offset, "format", "a profile file is a JSON object with \"format\": 1 and \"profiles\"")
      }
      if let other = members.first(where: { !["format", "profiles", "$schema"].contains($0.key) }) {
        throw error(
          other.keyOffset, other.key, "a profile file has no '\(other.key)', only \"format\" and \"profiles\"")
      }
      guard let list = members.first(where: { $0.key == "profiles" }), let profiles = list.value.members,
        !profiles.isEmpty
      else { throw error(root.offset, "profiles", "should be an object with at least one profile") }
      return (place, list)
    }

    func error(_ offset: Int?, _ message: String) -> SpecErrors {
      SpecErrors(errors: [place.error(at: offset, path, message)])
    }

    /// Its values for pipeline files; nil if it has none.
    var values: PlaceValues? {
      get throws(SpecErrors) {
        guard let member = members.first(where: { $0.key == "values" }) else { return nil }
        guard let values = member.value.members else {
          throw SpecErrors(errors: [
            place.error(
              at: member.node.offset, path + ".values",
              "should be an object of parameters, or of paths such as stages.dedupe.options.memory, and their values")
          ])
        }
        return PlaceValues(file: place.path, text: text, path: path + ".values", values: values)
      }
    }
  }

  /// Contradictions, by the option that they are about.
  private static func problems(_ profile: SiteProfile) -> [(option: String, message: String)] {
    var found: [(String, String)] = []
    if profile.executor == .ssh, profile.hosts.isEmpty {
      found.append(("hosts", "'hosts' is empty, but ssh needs at least one host, there or in 'hostsFile'"))
    }
    if profile.executor == .slurm, profile.time.seconds < profile.warningSeconds + 30 {
      found.append(("time", "'time' \(tooShort)"))
    }
    for name in profile.environment.keys.sorted() where !isVariable(name) {
      found.append(("environment", "'\(name)' cannot be the name of an environment variable"))
    }
    if !profile.shell.hasPrefix("/") || !profile.shell.contains("bash") || profile.shell.contains("\n") {
      let message = "'shell' should be the path of bash, perhaps with options, such as \"/bin/bash -l\""
      found.append(("shell", message))
    }
    if profile.time > profile.maximumTime { found.append(("time", "'time' exceeds 'maximumTime'")) }
    if profile.memory > profile.maximumMemory { found.append(("memory", "'memory' exceeds 'maximumMemory'")) }
    for (host, jobs) in profile.hosts.sorted(by: { $0.key < $1.key }) where jobs < 1 {
      found.append(("hosts", "the host '\(host)' must be allowed at least 1 job, not \(jobs)"))
    }
    for (pattern, own) in profile.resources.sorted(by: { $0.key < $1.key }) {
      found += problems(own, profile).map { ("resources", "the resources of '\(pattern)': \($0)") }
    }
    return found
  }

  private static let tooShort = "must exceed 'warningSeconds' by at least 30 s; otherwise jobs would stop at once"

  private static func problems(_ own: SiteResources, _ profile: SiteProfile) -> [String] {
    let least = [("cores", own.cores, 1), ("gpus", own.gpus, 0), ("nodes", own.nodes, 1)]
    var found = least.filter { ($0.1 ?? $0.2) < $0.2 }
      .map { "'\($0.0)' should be at least \($0.2)" }
    if profile.executor == .slurm, let time = own.time, time.seconds < profile.warningSeconds + 30 {
      found.append("'time' \(tooShort)")
    }
    let most = profile.most(own)
    if let time = own.time, time > most.time {
      found.append("'time' (\(time)) exceeds 'maximumTime' (\(most.time)); state a greater one there or here")
    }
    if let memory = own.memory, memory > most.memory {
      found.append("'memory' (\(memory)) exceeds 'maximumMemory' (\(most.memory)); state a greater one there or here")
    }
    return found
  }

  private static func isVariable(_ name: String) -> Bool {
    !(name.utf8.first.map { (48...57).contains($0) } ?? true)
      && name.utf8.allSatisfy {
        (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || $0 == 95
      }
  }

  /// A profile file to start from, with the options that most sites set.
  public static func example(_ kind: ExecutorKind) -> String {
    var lines = ["{", "  \"format\": 1,", "  \"profiles\": {", "    \"default\": {"]
    let names: Set<String> =
      kind == .slurm
      ? ["executor", "partition", "account", "time", "memory", "maximumJobs", "setup", "resources"]
      : ["executor", "hosts", "memory", "setup"]
    let shown = SiteProfile.fields.filter { names.contains($0.name) }
    for (number, field) in shown.enumerated() {
      var value = field.value
      if field.name == "executor" { value = .string(kind.rawValue) }
      if field.name == "hosts" { value = ["node01": 16, "node02": 16] }
      if field.name == "resources" {
        value = [
          "model.pretrain": ["partition": "gpu", "time": "1-00:00:00"], "check.nccl": ["partition": "gpu"],
        ]
      }
      lines.append("      \"\(field.name)\": \(value.text())\(number + 1 < shown.count ? "," : "")")
    }
    return (lines + ["    }", "  }", "}", ""]).joined(separator: "\n")
  }
}
