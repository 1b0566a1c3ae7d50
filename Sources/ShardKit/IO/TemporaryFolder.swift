import Glibc

extension FileSystem {
  /// Creates a unique folder below `TMPDIR`, or `/tmp`, that only this user can access. The caller removes it.
  /// - Returns: its path.
  /// - Throws: `ShardError` if it cannot be created, such as `.notFound`, `.permission` or `.diskFull`.
  public static func makeTemporaryFolder() throws(ShardError) -> String {
    let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array((parent + "/pipeline-XXXXXX").utf8CString)
    guard mkdtemp(&template) != nil else { throw error(parent, "cannot hold a temporary folder") }
    return String(decoding: template.dropLast().map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
  }
}
