import Glibc
import ShardKit
import Synchronization

/// A Python script in `Tests/Peers`, in which another project's software reads the output of this one.
///
/// The interpreter is `PIPELINE_PYTHON`, the one that `Scripts/install --tests` makes in `.venv`, or `python3`.
public struct PeerScript: Sendable {
  public let path: String
  private let name: String

  public init(_ name: String) {
    self.name = name
    path = packagePath("Tests/Peers/\(name)")
  }

  /// Whether the script's imports work here: without arguments a script does nothing else.
  public var isUsable: Bool {
    Self.known.withLock { known in
      if let isUsable = known[path] { return isUsable }
      let isUsable = execute([], isQuiet: !Self.isRequired).status == 0
      known[path] = isUsable
      return isUsable
    }
  }

  /// What was found of a script: imports take seconds, and many tests ask for the same one.
  private static let known = Mutex<[String: Bool]>([:])

  /// Whether the interpreter exists and the script compiles, for a script that serves until it is stopped.
  public var canStart: Bool {
    Self.shell("'\(Self.interpreter)' -c 'compile(open(\"\(path)\").read(), \"\", \"exec\")'\(Self.quietly)").status
      == 0
  }

  /// Python's error is shown if a missing peer is a failure.
  private static let quietly = isRequired ? "" : " 2>/dev/null"

  /// Whether a missing peer is a failure (see `Requirements`).
  public static let isRequired = getenv("PIPELINE_REQUIRE_PEERS") != nil

  public static let interpreter: String = {
    if let named = getenv("PIPELINE_PYTHON") { return String(cString: named) }
    let own = packagePath(".venv/bin/python")
    return FileSystem.exists(own) ? own : "python3"
  }()

  /// Runs the script. Returns its output, or nil if it failed.
  public func run(_ arguments: String...) -> [UInt8]? { run(arguments) }

  public func run(_ arguments: [String]) -> [UInt8]? {
    let (status, output) = execute(arguments, isQuiet: false)
    return status == 0 ? output : nil
  }

  /// In a fork of the peer server, or, if it imports little, in a process of its own.
  private func execute(_ arguments: [String], isQuiet: Bool) -> (status: Int32, output: [UInt8]) {
    if let result = PeerServer.run(name, arguments, isQuiet: isQuiet) { return result }
    let quoted = ([path] + arguments).map { "'\($0)'" }.joined(separator: " ")
    return Self.shell("'\(Self.interpreter)' \(quoted)\(isQuiet ? " 2>/dev/null" : "")")
  }

  /// Whether the interpreter has a module among those that `Scripts/install` lays beside its own, in a folder of `.venv`.
  public static func has(_ module: String, in folder: String) -> Bool {
    shell(
      "'\(interpreter)' -c 'import os, sys; sys.exit(not os.path.isdir(os.path.join(sys.prefix, \"\(folder)\", "
        + "\"\(module)\")))'"
    ).status == 0
  }

  /// Whether `python3` is in PATH.
  public static let hasPython3 = shell("python3 -c 'import json'").status == 0

  private static func shell(_ command: String) -> (status: Int32, output: [UInt8]) {
    guard let pipe = popen(command, "r") else { return (-1, []) }
    var output: [UInt8] = []
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 1 << 16) { room in
      while true {
        let count = fread(room.baseAddress!, 1, room.count, pipe)
        if count == 0 { break }
        output.append(contentsOf: room[..<count])
      }
    }
    return (pclose(pipe), output)
  }
}
