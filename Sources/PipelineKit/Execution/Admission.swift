/// Which tasks may start now: they wait for processors, for memory of the run, or for a place among tasks that wait.
extension Schedule {
  func waits(_ node: Int, phase: Int) -> Bool {
    let description = graph.nodes[node].description
    return mostJobs > 1 && description.waitingPhases.contains(description.phases[phase])
  }

  func hasRoom(_ node: Int) -> Bool {
    if nodes[node].isRemote { return remote < Self.mostRemote }
    // Without a separate thread, waiting tasks alternate with the jobs.
    if waitingTasks == 0, waiting > 0 { return false }
    guard waits(node, phase: nodes[node].phase) else { return running < jobs }
    if waitingTasks == 0 { return isIdle }
    return waiting < waitingTasks && nodes[node].waiting < Self.mostWaitingOfAStage
  }

  /// A task larger than the complete budget runs alone.
  mutating func admit(_ node: Int, _ task: Int) -> Bool {
    if nodes[node].isRemote {
      remote += 1
      return true
    }
    let memory = nodes[node].memory[task]
    guard memoryInUse == 0 || memoryInUse + memory <= memoryBytes else { return false }
    memoryInUse += memory
    count(1, node)
    return true
  }

  /// Counts the start or the end of a task of the node's phase.
  mutating func count(_ change: Int, _ node: Int) {
    guard waits(node, phase: nodes[node].phase) else { return running += change }
    waiting += change
    nodes[node].waiting += change
  }

  mutating func release(_ node: Int, _ task: Int) {
    if nodes[node].isRemote { return remote -= 1 }
    count(-1, node)
    memoryInUse -= nodes[node].memory[task]
  }
}
