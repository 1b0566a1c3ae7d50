import ArgumentParser
import Glibc
import PipelineKit
import ShardKit
import Stages

struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Check this machine, or a cluster, for missing requirements.",
    discussion: "Exit code 1 if a requirement is missing. Optional components never cause a failure.")

  @Option(help: ArgumentHelp("Folder of the store (default: ./.pipeline).", valueName: "folder"))
  var store: String?

  @Option(
    help: ArgumentHelp("A pipeline file: check the language models' endpoints that it uses.", valueName: "file"),
    completion: .file(extensions: ["json"]))
  var pipeline: String?

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp("Set a parameter of the pipeline file; repeatable.", valueName: "name=value"))
  var parameters: [String] = []

  @OptionGroup var place: ExecutorOptions
  @OptionGroup var site: ProfileOption

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    var findings = MachineChecks.all(folder: store ?? ".")
    if place.isRemote {
      findings += ClusterChecks.all(try place.siteProfile(site, beside: "."), store: store ?? "./.pipeline")
    }
    if let pipeline {
      findings += Self.endpoints(try SpecArguments.graph(of: pipeline, setting: parameters, site: site))
    }
    try Self.show(findings, json: json)
  }

  private static func endpoints(_ graph: Graph) -> [MachineChecks.Finding] {
    EndpointCheck.all(graph).map {
      MachineChecks.Finding("endpoint of \($0.stage)", $0.isGood ? .good : .missing, $0.message, $0.advice)
    }
  }

  /// - Throws: `ExitCode(1)` if a requirement is missing.
  static func show(_ findings: [MachineChecks.Finding], json: Bool) throws {
    if json {
      Console.json(
        .list(
          findings.map {
            [
              "check": .string($0.name), "state": .string($0.state.rawValue), "finding": .string($0.message),
              "advice": $0.advice.map { .string($0) } ?? .null,
            ]
          }))
    } else {
      let style = Style(STDOUT_FILENO)
      var table = TextTable([("", .left), ("", .left), ("", .left)])
      for finding in findings {
        table.add([mark(finding.state, style), finding.name, finding.message])
        if let advice = finding.advice { table.add(["", "", advice]) }
      }
      for line in table.lines(style) { Console.line(line) }
    }
    if findings.contains(where: { $0.state == .missing }) { throw ExitCode(1) }
  }

  private static func mark(_ state: MachineChecks.State, _ style: Style) -> String {
    switch state {
    case .good: style.green("ok")
    case .optional: style.yellow("optional")
    case .missing: style.red("missing")
    }
  }
}

/// The requirements of a machine, each checked once.
enum MachineChecks {
  enum State: String { case good, optional, missing }

  struct Finding {
    var name: String
    var state: State
    var message: String
    var advice: String?

    init(_ name: String, _ state: State, _ message: String, _ advice: String? = nil) {
      self.name = name
      self.state = state
      self.message = message
      self.advice = advice
    }
  }

  static func all(folder: String) -> [Finding] {
    let existing = nearestExisting(folder)
    return [processors(), memory(), openFiles(), disk(existing)] + fileSystem(existing)
      + [clock()] + software() + [terminal()]
  }

  private static func processors() -> Finding {
    Finding("processors", .good, "\(availableProcessors()); a run uses all of them unless --jobs is given")
  }

  private static func memory() -> Finding {
    let bytes = Int64(physicalMemoryBytes())
    let text = "\(Quantities.bytes(bytes)); the tasks of a run use half of it unless --memory is given"
    if bytes < 2 << 30 {
      return Finding("memory", .optional, text, "Some stages need 1 GiB or more: lower their memory options.")
    }
    return Finding("memory", .good, text)
  }

  /// That each processor should be able to keep open.
  private static let leastFiles = 64

  private static func openFiles() -> Finding {
    let (limit, processors) = (OpenFiles.limit, availableProcessors())
    let text = "\(limit) can be open at once"
    if limit < 1024 {
      return Finding(
        "open files", .missing, text,
        "Merging sorted runs needs 1024, and the system allows no more here: raise its limit (`ulimit -Hn`).")
    }
    let few = leastFiles * 2 * processors
    if limit < few {
      return Finding(
        "open files", .optional, text,
        "With \(processors) processors, stages that read here and there in many files open them again and again. Raise "
          + "the system's limit (`ulimit -Hn`) to \(few) or more, or give a run fewer processors (`taskset`).")
    }
    return Finding("open files", .good, text)
  }

  private static func disk(_ folder: String) -> Finding {
    var s = statvfs()
    guard statvfs(folder, &s) == 0 else {
      return Finding("disk", .missing, "the free space of \(folder) cannot be determined", "Check the folder's path.")
    }
    let free = Int64(s.f_bavail) * Int64(s.f_frsize)
    let text = "\(Quantities.bytes(free)) free below \(folder)"
    if free < 1 << 30 {
      return Finding("disk", .missing, text, "Free some space, or put the store elsewhere with --store.")
    }
    if s.f_favail > 0, s.f_favail < 10_000 {
      return Finding("disk", .missing, "\(text), but only \(s.f_favail) inodes", "Remove small files there.")
    }
    return Finding("disk", .good, text)
  }

  /// Tries, with small files, the file system operations that a store needs.
  private static func fileSystem(_ folder: String) -> [Finding] {
    let place = "\(folder)/.pipeline-doctor-\(getpid())"
    defer { try? FileSystem.removeTree(place) }
    do {
      try FileSystem.makeDirectory(place)
      try FileSystem.write([1], to: place + "/a")
      try FileSystem.rename(place + "/a", to: place + "/b")
      try FileSystem.syncDirectory(place)
    } catch {
      return [Finding("writing", .missing, "\(error)", "Put the store into another folder with --store.")]
    }
    var findings = [Finding("writing", .good, "files are written, synced and renamed below \(folder)")]
    if link(place + "/b", place + "/c") == 0 {
      findings.append(Finding("hard links", .good, "work"))
    } else {
      findings.append(
        Finding(
          "hard links", .optional, "do not work there: \(String(cString: strerror(errno)))",
          "Files shared by two outputs are copied instead, which takes space and time."))
    }
    findings.append(locking(place))
    return findings
  }

  private static func locking(_ place: String) -> Finding {
    let descriptor = open(place + "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    defer { close(descriptor) }
    if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return Finding("locks", .good, "work") }
    return Finding(
      "locks", .missing, "do not work there: \(String(cString: strerror(errno)))",
      "Put the store on a local disk with --store: here, two concurrent runs could damage it.")
  }

  private static func clock() -> Finding {
    // No file of this program is older than 2025-01-01.
    if wallMilliseconds() < 1_735_689_600_000 {
      return Finding(
        "clock", .missing, "says \(Quantities.moment(milliseconds: wallMilliseconds()))",
        "Set it (`timedatectl set-ntp true`): otherwise times in reports are wrong. Verdicts do not depend on it.")
    }
    return Finding("clock", .good, Quantities.moment(milliseconds: wallMilliseconds()))
  }

  private static func terminal() -> Finding {
    let language = ["LC_ALL", "LC_CTYPE", "LANG"].map(environment).first { !$0.isEmpty } ?? ""
    if language.uppercased().contains("UTF-8") || language.uppercased().contains("UTF8") {
      return Finding("terminal", .good, "the locale is UTF-8")
    }
    return Finding(
      "terminal", .optional, "the locale is not UTF-8; Japanese text may be displayed incorrectly",
      "Run `export LANG=C.UTF-8`. Results do not depend on it.")
  }

  private static func environment(_ name: String) -> String { getenv(name).map { String(cString: $0) } ?? "" }

  private static func nearestExisting(_ path: String) -> String {
    var path = path.isEmpty ? "." : path
    while !FileSystem.isDirectory(path) {
      guard let parent = ArchivePath.parent(of: path) else { return "." }
      path = parent
    }
    return path
  }
}
