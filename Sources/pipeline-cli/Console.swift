import Glibc
import PipelineKit
import ShardKit

/// The two streams of a terminal program.
enum Console {
  static func standardOutput(_ text: String) { put(text, STDOUT_FILENO) }

  static func standardError(_ text: String) { put(text, STDERR_FILENO) }

  private static func put(_ text: String, _ descriptor: Int32) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      if count <= 0 { return }
      rest = rest.dropFirst(count)
    }
  }

  static func line(_ text: String = "") { standardOutput(text + "\n") }

  static func error(_ sentence: String) { standardError("error: \(sentence)\n") }

  static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 && getenv("TERM").map { String(cString: $0) } != "dumb" }

  static func isOurs(_ error: any Error) -> Bool {
    error is DocumentErrors || error is RunError || error is StageError || error is ShardError
  }

  static func exitCode(_ error: any Error) -> Int32 {
    if error is DocumentErrors { return 2 }
    if let error = error as? RunError, error.code == .selection || error.code == .notFound { return 2 }
    return 1
  }
}
