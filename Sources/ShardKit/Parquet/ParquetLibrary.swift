import CParquet
import Synchronization

/// The Parquet library: Apache Arrow's C++ library behind a table of C functions, loaded when a Parquet or Arrow file is
/// first read or written.
///
/// `Scripts/parquet` builds it against the machine's own pyarrow. Nothing else needs it.
public final class ParquetLibrary: Sendable {
  /// Written once by the loaded library, never changed.
  nonisolated(unsafe) let table: UnsafePointer<pp_library>
  public let path: String

  static let place = OptionalLibrary(
    fileName: "libpipelineparquet.so", variable: "PIPELINE_PARQUET", folder: "parquet")
  /// The script that builds it: the installed one, if the program was installed from a release.
  static let script = InstalledFiles.path("Scripts/parquet") ?? "Scripts/parquet"
  private static let loaded = Mutex<ParquetLibrary?>(nil)

  /// The library, loaded once per process.
  /// - Parameter purpose: what it is needed for, such as the path of a file.
  /// - Throws: `ShardError` (`.unsupported`) if it is not built here or does not load.
  public static func require(for purpose: String) throws(ShardError) -> ParquetLibrary {
    try loaded.withLock { (loaded) throws(ShardError) in
      if let library = loaded { return library }
      let library = try ParquetLibrary(for: purpose)
      loaded = library
      return library
    }
  }

  private init(for purpose: String) throws(ShardError) {
    guard let path = Self.place.locate() else {
      throw ShardError(
        .unsupported, purpose,
        "Parquet and Arrow files need the Parquet library, \(Self.place.fileName), which is not built here",
        hint: "Run 'pip install pyarrow' and then '\(Self.script)' (it needs a C++ compiler), or name the file in "
          + "\(Self.place.variable).")
    }
    var problem = [CChar](repeating: 0, count: 2048)
    guard let table = pipeline_parquet_open(path, &problem, problem.count) else {
      let text = String(decoding: problem.prefix { $0 != 0 }.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self)
      throw ShardError(
        .unsupported, path, "the Parquet library does not load: \(text)",
        hint: "Build it again with '\(Self.script)', against the pyarrow that is installed now.")
    }
    self.table = table
    self.path = path
  }

  /// Arrow's version, such as `26.0.1`.
  public var version: String { String(cString: table.pointee.version()!) }

  /// What the last call on this thread failed with, on one line.
  var problem: String {
    let text = String(cString: table.pointee.last_error()!)
    let line = text.split(whereSeparator: \.isNewline).first.map(String.init) ?? "it gave no reason"
    return String(line.prefix(300))
  }
}
