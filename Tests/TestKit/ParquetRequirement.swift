import Glibc
import ShardKit
public import Testing

/// Whether the Parquet library is built; the tests' own program is elsewhere, so that it is named for them.
public let hasParquetLibrary: Bool = {
  let built = packagePath(".build/parquet/libpipelineparquet.so")
  if getenv("PIPELINE_PARQUET") == nil, FileSystem.exists(built) { TestEnvironment.set(["PIPELINE_PARQUET": built]) }
  return getenv("PIPELINE_PARQUET") != nil
}()

extension Trait where Self == ConditionTrait {
  /// The test runs if `Scripts/parquet` has built the Parquet library.
  public static var needsParquet: Self { .needs(hasParquetLibrary, "needs Scripts/parquet") }
}

/// Files of pyarrow, DuckDB and polars, and in the forms of Spark and of old writers; nil if they cannot be made.
public let writersParquetFiles: String? = {
  let folder = packagePath(".build/parquet-test-files")
  try? FileSystem.removeTree(folder)
  let isMade = (try? FileSystem.makeDirectory(folder)) != nil && parquetPeer.run("write", folder) != nil
  return isMade ? folder : nil
}()

/// pyarrow, DuckDB, polars and datasets.
public let parquetPeer = PeerScript("parquet_files.py")

extension Trait where Self == ConditionTrait {
  /// The test runs if `parquetPeer` can.
  public static var needsParquetPeer: Self {
    .needs(parquetPeer.isUsable, "needs Python with pyarrow, duckdb and polars")
  }
}
