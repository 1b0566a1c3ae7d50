import Glibc

extension FileSystem {
  /// Makes a folder of its own below `TMPDIR`, or `/tmp`, that only this user may enter. Whoever asks for it removes it.
  /// - Returns: its path.
  public static func makeTemporaryFolder() throws(ShardError) -> String {
    let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array((parent + "/pipeline-XXXXXX").utf8CString)
    guard mkdtemp(&template) != nil else { throw error(parent, "takes no temporary folder") }
    return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
