import CZlib

extension InputBlock {
  /// One zlib call on the remaining input, which is consumed as far as zlib read it.
  /// - Parameter format: its name in messages.
  /// - Returns: whether the stream ended.
  mutating func inflate(_ stream: inout z_stream, _ name: String, _ format: String) throws(ShardError) -> Bool {
    stream.next_in = pointer.assumingMemoryBound(to: UInt8.self)
    stream.avail_in = UInt32(count)
    let result = CZlib.inflate(&stream, Z_NO_FLUSH)
    advance(count - Int(stream.avail_in))
    switch result {
    case Z_STREAM_END: return true
    case Z_OK, Z_BUF_ERROR: return false
    case Z_MEM_ERROR: throw noMemory(name, format)
    default: throw damaged(name, format, consumed, stream.msg.map { String(cString: $0) } ?? "bad data")
    }
  }
}
