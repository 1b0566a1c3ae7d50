import Glibc
import PipelineKit
import ShardKit

/// What a program prints, in the log of the task that it works for; bounded.
final class ProgramLog {
  private let path: String?
  private var descriptor: Int32 = -1
  private var left = 64 << 20
  private var mask: SecretMask

  /// - Parameter secrets: variables whose values are not written.
  init(_ workspace: Workspace, secrets: [String]) {
    path = workspace.logPath
    mask = SecretMask(secrets)
  }

  deinit {
    put(mask.flush())
    if descriptor >= 0 { close(descriptor) }
  }

  /// A log that cannot be written is no reason to fail.
  func write(_ bytes: UnsafeRawBufferPointer) { put(mask.pass(bytes)) }

  private func put(_ bytes: [UInt8]) {
    guard left > 0, !bytes.isEmpty, open() else { return }
    let part = bytes.prefix(left)
    left -= part.count
    part.withUnsafeBytes { writeAll($0) }
    if left == 0 { append("… what the program printed after this was left out\n") }
  }

  private func writeAll(_ bytes: UnsafeRawBufferPointer) {
    var rest = bytes
    while !rest.isEmpty {
      let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return }
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }

  /// Adds a line of the stage's own.
  func note(_ line: String) {
    if left > 0, open() { append("pipeline: \(line)\n") }
  }

  private func append(_ text: String) {
    let bytes = Array(text.utf8)
    _ = Glibc.write(descriptor, bytes, bytes.count)
  }

  private func open() -> Bool {
    guard descriptor < 0, let path else { return descriptor >= 0 }
    try? FileSystem.makeDirectory(ArchivePath.folder(of: path))
    descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o666)
    return descriptor >= 0
  }
}
