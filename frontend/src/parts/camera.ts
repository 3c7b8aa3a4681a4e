import { type RefObject, useEffect, useRef, useState } from "react";

export interface Camera {
  video: RefObject<HTMLVideoElement | null>;
  problem: string | null;
  ready: boolean;
}

/** The camera in a video element, as long as it is on. */
export function useCamera(on: boolean): Camera {
  const video = useRef<HTMLVideoElement>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [ready, setReady] = useState(false);
  useEffect(() => {
    if (!on) return;
    let stream: MediaStream | null = null;
    let left = false;
    const devices = navigator.mediaDevices as MediaDevices | undefined;
    const asked = devices?.getUserMedia({ video: { width: 640, height: 480 } });
    (asked ?? Promise.reject(new Error("none")))
      .then(async (given) => {
        stream = given;
        if (left || !video.current) return stop(given);
        video.current.srcObject = given;
        await video.current.play();
        setProblem(null);
        setReady(true);
      })
      .catch(() => setProblem("The browser gives no camera. Allow it, or use a photograph."));
    return () => {
      left = true;
      setReady(false);
      if (stream) stop(stream);
    };
  }, [on]);
  return { video, problem, ready };
}

function stop(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

/** What a video or an image shows now, as JPEG, at most `side` pixels wide and high. */
export async function snapshot(
  source: HTMLVideoElement | HTMLImageElement,
  side: number,
): Promise<Blob | null> {
  const width = source instanceof HTMLVideoElement ? source.videoWidth : source.naturalWidth;
  const height = source instanceof HTMLVideoElement ? source.videoHeight : source.naturalHeight;
  if (!width || !height) return null;
  const scale = Math.min(1, side / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.getContext("2d")?.drawImage(source, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.88));
}

export async function base64(blob: Blob): Promise<string> {
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).split(",")[1] ?? "");
    reader.readAsDataURL(blob);
  });
}
