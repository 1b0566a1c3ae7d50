import ShardKit

extension Engine {
  /// The device of a process of a group.
  /// - Parameters:
  ///   - name: "cpu" or "cuda".
  ///   - localRank: the process's number on its machine.
  /// - Throws: `TorchError` (`engine`) if there is no GPU.
  func device(named name: String, localRank: Int) throws(TorchError) -> Device {
    guard name == "cuda" else { return .cpu }
    guard deviceCount > 0 else {
      throw TorchError(
        .engine, "device", "there is no GPU that the engine can use (torch \(version))",
        hint: "Set \"device\" to \"cpu\", or build the engine against a torch with CUDA.")
    }
    // If a launcher gives each process one visible GPU, its number is 0.
    return .cuda(localRank < deviceCount ? localRank : 0)
  }
}
