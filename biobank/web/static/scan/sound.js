// One sound per verdict, each of its own shape, so that ears tell them apart without eyes. [start s, length s, Hz]
const SOUNDS = {
  done: [[0, 0.09, 1320]],
  again: [[0, 0.09, 660], [0.15, 0.09, 660]],
  elsewhere: [[0, 0.14, 740], [0.17, 0.2, 494]],
  stop: [[0, 0.7, 175]],
  held: [[0, 0.13, 784], [0.16, 0.13, 622], [0.32, 0.2, 466]],
  kept: [[0, 0.02, 220]],
};
let audio = null;

/** Play the sound of a verdict; a browser without sound, or before the first key, stays silent. */
export function play(verdict) {
  const notes = SOUNDS[verdict];
  if (!notes || !window.AudioContext) return;
  audio ??= new AudioContext();
  if (audio.state === "suspended") audio.resume();
  for (const [start, length, pitch] of notes) {
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    const from = audio.currentTime + start;
    tone.type = verdict === "stop" ? "square" : "sine";
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0.0001, from);
    volume.gain.exponentialRampToValueAtTime(verdict === "stop" ? 0.12 : 0.25, from + 0.01);
    volume.gain.setValueAtTime(verdict === "stop" ? 0.12 : 0.25, from + length - 0.01);
    volume.gain.exponentialRampToValueAtTime(0.0001, from + length + 0.03);
    tone.connect(volume).connect(audio.destination);
    tone.start(from);
    tone.stop(from + length + 0.05);
  }
}
