import Glibc
import PipelineKit
import ShardKit
import Synchronization
import TrainerCore

/// The standard streams: a command's result goes to standard output; progress and errors go to standard error.
enum Console {
  /// When the reader exits (`| head`), SIGPIPE ends the program silently. A run ignores the signal and finishes its
  /// work.
  ///
  /// Control characters are escaped; see `visible`.
  static func standardOutput(_ text: String) {
    put(Style.forTerminal(visible(text, keepsLines: true)), STDOUT_FILENO)
  }

  static func standardError(_ text: String) {
    put(Style.forTerminal(visible(text, keepsLines: true)), STDERR_FILENO)
  }

  /// Writes cursor-control sequences, then text, to standard error.
  static func control(_ sequence: String, _ text: String = "") {
    put(sequence + Style.forTerminal(visible(text, keepsLines: true)), STDERR_FILENO)
  }

  /// Prints a path for scripts: unescaped, unless standard output is a terminal.
  static func path(_ path: String) {
    put((isatty(STDOUT_FILENO) == 1 ? visible(path) : path) + "\n", STDOUT_FILENO)
  }

  /// Threads that write at the same time must not cut each other's lines.
  private static let writing = Mutex(())

  private static func put(_ text: String, _ descriptor: Int32) {
    writing.withLock { _ in
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
  }

  /// Prints one line; line feeds in the text are escaped.
  static func line(_ text: String = "") { standardOutput(visible(text) + "\n") }

  static func json(_ value: JSONValue) { standardOutput(value.prettyText()) }

  /// Prints error messages, one per line.
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

  /// The width of the terminal in columns; 80 if unknown.
  static func width(_ descriptor: Int32) -> Int {
    var size = winsize()
    guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }

  /// Asks for confirmation on the terminal. False if there is no terminal.
  static func confirms(_ question: String) -> Bool {
    guard isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1 else { return false }
    standardError("\(question) [y/N] ")
    let answer = readLine()?.lowercased() ?? ""
    return answer == "y" || answer == "yes"
  }

  static func isOurs(_ error: any Error) -> Bool {
    error is any DescribedError
  }

  /// 2 for what the user can fix in the pipeline file or the arguments, 1 for everything else.
  static func exitCode(_ error: any Error) -> Int32 {
    if error is SpecErrors { return 2 }
    if let error = error as? RunError, error.code == .selection || error.code == .notFound { return 2 }
    return 1
  }
}
