import CBz2
import CLZ4
import CLZMA
import ShardKit
import TestKit

/// Bytes in memory, for tests of sinks.
final class MemorySink: ByteSink {
  private(set) var bytes: [UInt8] = []
  private(set) var isCommitted = false
  func write(_ more: UnsafeRawBufferPointer) throws(ShardError) { bytes.append(contentsOf: more) }
  func commit() throws(ShardError) { isCommitted = true }
}

/// `bytes` as one frame, member or stream of a format.
func encoded(_ bytes: [UInt8], _ compression: Compression) throws -> [UInt8] {
  switch compression {
  case .none: return bytes
  case .zstd: return try written(bytes) { ZstdSink($0) }
  case .gzip: return try written(bytes) { try GzipSink($0) }
  case .bzip2:
    var out = [UInt8](repeating: 0, count: bytes.count * 2 + 1000)
    var count = UInt32(out.count)
    var input = bytes.map { CChar(truncatingIfNeeded: $0) }
    let result = out.withUnsafeMutableBytes {
      BZ2_bzBuffToBuffCompress($0.bindMemory(to: CChar.self).baseAddress, &count, &input, UInt32(input.count), 1, 0, 0)
    }
    precondition(result == BZ_OK)
    return Array(out[..<Int(count)])
  case .xz:
    var out = [UInt8](repeating: 0, count: bytes.count * 2 + 1000)
    var count = 0
    let result = lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, nil, bytes, bytes.count, &out, &count, out.count)
    precondition(result == LZMA_OK)
    return Array(out[..<count])
  case .lz4:
    var wishes = LZ4F_preferences_t()
    wishes.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled
    var out = [UInt8](repeating: 0, count: LZ4F_compressFrameBound(bytes.count, &wishes))
    let count = LZ4F_compressFrame(&out, out.count, bytes, bytes.count, &wishes)
    precondition(LZ4F_isError(count) == 0)
    return Array(out[..<count])
  }
}

private func written(_ bytes: [UInt8], _ wrap: (MemorySink) throws -> any ByteSink) throws -> [UInt8] {
  let memory = MemorySink()
  let sink = try wrap(memory)
  try sink.write(bytes)
  try sink.commit()
  return memory.bytes
}

/// Everything a source delivers, in reads of at most `step` bytes, and the error that ended it.
func drained(_ source: any ByteSource, step: Int = 1 << 16) -> (bytes: [UInt8], error: ShardError?) {
  var out: [UInt8] = []
  let block = UnsafeMutableRawBufferPointer.allocate(byteCount: step, alignment: 16)
  defer { block.deallocate() }
  do {
    while true {
      let count = try source.read(into: block)
      if count == 0 { return (out, nil) }
      out.append(contentsOf: block[..<count])
    }
  } catch { return (out, error) }
}

func drained(_ bytes: [UInt8], _ compression: Compression, step: Int = 1 << 16) -> (bytes: [UInt8], error: ShardError?)
{
  do { return drained(try decompress(MemorySource(bytes, name: "test"), compression), step: step) } catch {
    return ([], error)
  }
}

/// Text with repetition, so that every format finds something to compress.
func sampleBytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
  var generator = SplitMix(seed: seed)
  let words = ["川", "さかな", "夜の", "灯り", "を", "見る", "\n", "abc ", "12"].map { Array($0.utf8) }
  var out: [UInt8] = []
  while out.count < count { out += words.randomElement(using: &generator)! }
  return Array(out[..<count])
}
