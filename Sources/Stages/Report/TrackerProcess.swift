import Glibc
import PipelineKit
import ShardKit

/// A script that hands a training over to a tracker's own Python package, run by the user's Python.
///
/// The script gets the path of a JSON file and prints a line of JSON at its end. It ends with 3 if the package cannot be
/// imported, and with 4 if the package fails; the last line of standard error then says why.
struct TrackerProcess {
  /// The name under which it is imported and installed.
  var package: String
  /// The oldest version that will do.
  var oldest: String
  /// The option `python`; empty: `PIPELINE_PYTHON`, or `python3`.
  var python: String
  var script: [UInt8]
  /// What to do if the server refuses; nil if none is asked.
  var onlineHint: String?

  private static let timeoutSeconds = 86_400.0

  private var interpreter: String {
    if !python.isEmpty { return python }
    return getenv("PIPELINE_PYTHON").map { String(cString: $0) } ?? "python3"
  }

  private var installHint: String {
    "Install the package (`python3 -m pip install \(package)`), and name the Python that has it with \"python\" or "
      + "PIPELINE_PYTHON."
  }

  /// - Parameter folder: for the script and what it writes.
  /// - Returns: what the script printed.
  /// - Throws: `StageError` (`.environment`) if there is no such Python or package, or the tracker fails; (`.cancelled`,
  ///   `.timedOut`).
  func run(_ plan: JSONValue, in folder: String, _ workspace: Workspace) throws -> JSONValue {
    let path = "\(folder)/\(package)_replay.py"
    try FileSystem.write(Array(plan.text().utf8), to: "\(folder)/plan.json")
    try FileSystem.write(script, to: path)
    try FileSystem.write(PackageResources.replayed_steps_py, to: "\(folder)/replayed_steps.py")
    let command = ChildCommand(interpreter, [path, "\(folder)/plan.json"], timeoutSeconds: Self.timeoutSeconds)
    let result: ChildCommand.Result
    do {
      result = try command.run { (try? workspace.control.check()) == nil }
    } catch {
      try workspace.control.check()
      throw StageError(.environment, "python", "\(error.subject): \(error.message)", hint: installHint)
    }
    guard result.status == 0, let line = result.output.split(separator: 10).last else { throw failure(result) }
    return try JSONValue.parse(Array(line)).value
  }

  private func failure(_ result: ChildCommand.Result) -> StageError {
    let lines = String(decoding: result.errors.suffix(4096), as: UTF8.self).split(whereSeparator: \.isNewline)
    let last = lines.last { $0.hasPrefix("error: ") }?.dropFirst("error: ".count) ?? lines.last ?? ""
    let reason = Self.withoutSecrets(String(last.prefix(500)))
    if result.status == 3 {
      return StageError(.environment, interpreter, "cannot import \(package): \(reason)", hint: installHint)
    }
    if result.status == 4, let onlineHint {
      return StageError(.environment, package, "the run was not sent: \(reason)", hint: onlineHint)
    }
    return StageError(
      .environment, package, "the run was not written: its process ended with code \(result.status): \(reason)",
      hint: "Is the package of version \(oldest) or newer? \(installHint)")
  }

  /// Without names, passwords and queries of addresses, which may hold keys. Clients print paths without their hosts too.
  static func withoutSecrets(_ text: String) -> String {
    text.replacing(#/:\/\/[^\/\s]*@/#, with: "://…@").replacing(#/\?[^\s?=]*=[^\s'"<>)]*/#, with: "?…")
  }
}
