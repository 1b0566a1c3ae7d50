import Glibc
import PipelineKit
import ShardKit
import TrainerCore

/// The two streams of a terminal program: what a command tells goes to standard output, how it is getting on and what
/// went wrong to standard error.
enum Console {
  /// A reader that went away (`| head`) has what it wanted: SIGPIPE ends the program, quietly. A run ignores the signal
  /// and finishes its work.
  ///
  /// What a terminal would obey is made visible; see `visible`.
  static func standardOutput(_ text: String) {
    put(Style.forTerminal(visible(text, keepsLines: true)), STDOUT_FILENO)
  }

  static func standardError(_ text: String) {
    put(Style.forTerminal(visible(text, keepsLines: true)), STDERR_FILENO)
  }

  /// Sequences that move the cursor, on standard error, and then text.
  static func control(_ sequence: String, _ text: String = "") {
    put(sequence + Style.forTerminal(visible(text, keepsLines: true)), STDERR_FILENO)
  }

  /// A path for scripts: as it is, unless a person reads it.
  static func path(_ path: String) {
    put((isatty(STDOUT_FILENO) == 1 ? visible(path) : path) + "\n", STDOUT_FILENO)
  }

  private static func put(_ text: String, _ descriptor: Int32) {
    var text = text
    text.withUTF8 { bytes in
      var done = 0
      while done < bytes.count {
        let count = write(descriptor, bytes.baseAddress! + done, bytes.count - done)
        if count < 0 && errno == EINTR { continue }
        if count <= 0 { return }
        done += count
      }
    }
  }

  /// One line; line feeds within are data.
  static func line(_ text: String = "") { standardOutput(visible(text) + "\n") }

  static func json(_ value: JSONValue) { standardOutput(value.prettyText()) }

  /// Sentences about what went wrong, one line each.
  static func error(_ sentences: String) {
    let style = Style(STDERR_FILENO)
    for sentence in sentences.split(separator: "\n") {
      standardError("\(style.red("error:")) \(visible(String(sentence)))\n")
    }
  }

  static func warning(_ sentence: String) {
    standardError("\(Style(STDERR_FILENO).yellow("warning:")) \(visible(sentence))\n")
  }

  static func isTerminal(_ descriptor: Int32) -> Bool {
    isatty(descriptor) == 1 && getenv("TERM").map { String(cString: $0) } != "dumb"
  }

  /// Columns of the terminal; 80 where it does not say.
  static func width(_ descriptor: Int32) -> Int {
    var size = winsize()
    guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }

  /// Asks on the terminal. False where nobody can answer.
  static func confirms(_ question: String) -> Bool {
    guard isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1 else { return false }
    standardError("\(question) [y/N] ")
    let answer = readLine()?.lowercased() ?? ""
    return answer == "y" || answer == "yes"
  }

  static func isOurs(_ error: any Error) -> Bool {
    error is SpecErrors || error is RunError || error is StageError || error is ShardError
      || error is TorchError
  }

  /// 2 for what the caller can put right in the document or the arguments, 1 for everything else.
  static func exitCode(_ error: any Error) -> Int32 {
    if error is SpecErrors { return 2 }
    if let error = error as? RunError, error.code == .selection || error.code == .notFound { return 2 }
    return 1
  }
}
